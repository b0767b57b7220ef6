package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// encodings calls add with the forms in which text usually turns up in output.
func encodings(text string, add func(kind, form string)) {
	add("plain", text)
	for _, html := range []bool{true, false} {
		add("json", jsonEscaped(text, html))
	}
	quoted := strconv.Quote(text)
	add("quoted", quoted[1:len(quoted)-1])
	ascii := strconv.QuoteToASCII(text)
	add("quoted", ascii[1:len(ascii)-1])
	for _, escaped := range []string{
		url.QueryEscape(text),
		url.PathEscape(text),
		strings.TrimPrefix(url.UserPassword("", text).String(), ":"),
		everyByteEscaped(text),
	} {
		add("url", escaped)
		add("url", lowerEscapes(escaped))
	}
	plainHex := hex.EncodeToString([]byte(text))
	add("hex", plainHex)
	add("hex", strings.ToUpper(plainHex))
	base64Forms(text, func(form string) { add("base64", form) })
}

// lines returns the non-empty lines of a text with several; nothing for a single line without surrounding space.
func lines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line != text {
			out = append(out, line)
		}
	}
	return out
}

func jsonEscaped(text string, html bool) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(html)
	if err := enc.Encode(text); err != nil {
		return text // a string always encodes
	}
	return strings.TrimSuffix(strings.TrimPrefix(b.String(), `"`), "\"\n")
}

// everyByteEscaped percent-encodes all that RFC 3986 does not call unreserved, as curl and Rust's percent-encoding do.
func everyByteEscaped(text string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// lowerEscapes turns %2F into %2f.
func lowerEscapes(escaped string) string {
	b := []byte(escaped)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

// base64Forms calls add with text's base64, also where it starts one or two bytes into a group of three because
// something stands before it ("user:" in basic authentication) and where something follows it. Characters that also
// hold bits of the unknown neighbours are left out, except at the end of the data, where they are known.
func base64Forms(text string, add func(form string)) {
	for _, alphabet := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for shift := range 3 {
			data := strings.Repeat("\x00", shift) + text
			padded := alphabet.EncodeToString([]byte(data))[(shift*4+2)/3:]
			raw := strings.TrimRight(padded, "=")
			add(padded)
			add(raw)
			if len(data)%3 != 0 {
				add(raw[:len(raw)-1])
			}
		}
	}
}
