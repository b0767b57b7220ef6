package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tagboat/tagboat/internal/secret"
)

func masker(t testing.TB, secrets ...string) *secret.Masker {
	t.Helper()
	m := new(secret.Masker)
	for _, s := range secrets {
		if err := m.Add(secret.New(s)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestMask(t *testing.T) {
	for _, tt := range []struct {
		name    string
		secrets []string
		in      string
		want    string
	}{
		{"plain", []string{"s3cret"}, "a s3cret b", "a *** b"},
		{"twice side by side", []string{"s3cret"}, "s3crets3cret", "******"},
		{"the longer of two that start together", []string{"s3cret", "s3cret-long"}, "s3cret-long", "***"},
		{"two that overlap leave nothing of either", []string{"abcdef", "defghi"}, "<abcdefghi>", "<***>"},
		{"one inside another", []string{"bcde", "abcdef"}, "abcdef bcde", "*** ***"},
		{"overlapping itself", []string{"abab"}, "ababab", "***"},
		{"almost", []string{"s3cret"}, "s3cre s3cres3cret", "s3cre s3cre***"},
		{"bytes that are no UTF-8", []string{"\xff\xfe\xfd\xfc"}, "a\xff\xfe\xfd\xfcb", "a***b"},
		{"each line of several", []string{"-----BEGIN KEY-----\nMIIabc\r\nxyz==\n-----END KEY-----\n"},
			"  MIIabc\n  xyz==\n", "  ***\n  ***\n"},
		{"without its final newline", []string{"tok-123\n"}, "x=tok-123;", "x=***;"},
		{"nothing", nil, "s3cret", "s3cret"},
		{"empty text", []string{"s3cret"}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := masker(t, tt.secrets...).Mask(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMaskExtraForms(t *testing.T) {
	var m secret.Masker
	if err := m.Add(secret.New("s3cret"), "derived-form", "s3cret"); err != nil {
		t.Fatal(err)
	}
	if got := m.Mask("derived-form s3cret"); got != "*** ***" {
		t.Errorf("got %q", got)
	}
}

// TestMaskEncodings hides random secrets in every encoding, with every neighbourhood, and looks for what is left.
func TestMaskEncodings(t *testing.T) {
	const alphabet = "abcXYZ019-_.~/+=&<>\"'\\%?:@ #é\t\x01"
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var b strings.Builder
		for range 4 + rnd.IntN(90) {
			r := []rune(alphabet)
			b.WriteRune(r[rnd.IntN(len(r))])
		}
		s := "K" + b.String() + "K" // no surrounding space
		m := masker(t, s)
		for kind, text := range encoded(s) {
			got := m.Mask("<<" + text + ">>")
			if got != "<<***>>" {
				t.Fatalf("%s of %q: got %q, want all of %q masked", kind, s, got, text)
			}
			if leaks := m.Leaks([]byte("x" + text)); len(leaks) == 0 {
				t.Fatalf("%s of %q: Leaks sees nothing", kind, s)
			}
		}
		embedded(t, m, s)
	}
}

func encoded(s string) map[string]string {
	js, _ := json.Marshal(s)
	var plainJSON bytes.Buffer
	enc := json.NewEncoder(&plainJSON)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s)
	unquote := func(s string) string { return s[1 : len(s)-1] }
	return map[string]string{
		"plain":         s,
		"json":          unquote(string(js)),
		"json no html":  unquote(strings.TrimSuffix(plainJSON.String(), "\n")),
		"%q":            unquote(strconv.Quote(s)),
		"%+q":           unquote(strconv.QuoteToASCII(s)),
		"query":         url.QueryEscape(s),
		"path":          url.PathEscape(s),
		"userinfo":      strings.TrimPrefix(url.UserPassword("", s).String(), ":"),
		"base64 std":    base64.StdEncoding.EncodeToString([]byte(s)),
		"base64 rawstd": base64.RawStdEncoding.EncodeToString([]byte(s)),
		"base64 url":    base64.URLEncoding.EncodeToString([]byte(s)),
		"base64 rawurl": base64.RawURLEncoding.EncodeToString([]byte(s)),
		"hex":           hex.EncodeToString([]byte(s)),
		"HEX":           strings.ToUpper(hex.EncodeToString([]byte(s))),
	}
}

// embedded encodes s between other bytes and checks that what stays visible decodes to no four bytes of it.
func embedded(t *testing.T, m *secret.Masker, s string) {
	t.Helper()
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		for _, before := range []string{"", "u", "us", "use", "user:", "PAT:"} {
			for _, after := range []string{"", "\n", "!!", "end"} {
				text := enc.EncodeToString([]byte(before + s + after))
				got := m.Mask(text)
				if !strings.Contains(got, "***") {
					t.Fatalf("%q + %q + %q: got %q, want it masked", before, s, after, got)
				}
				if visible := len(got) - 3; visible > (len(before)+len(after))*4/3+8 {
					t.Fatalf("%q + %q + %q: %d characters of %q stay visible in %q", before, s, after, visible, text, got)
				}
			}
		}
	}
}

func TestLeaksNamesKinds(t *testing.T) {
	m := masker(t, "s3cret value")
	got := m.Leaks([]byte("s3cret+value " + base64.StdEncoding.EncodeToString([]byte("u:s3cret value")) + " s3cret value"))
	want := []string{"base64", "plain", "url"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := m.Leaks([]byte("*** s3cret")); len(got) != 0 {
		t.Errorf("got %v for a clean text", got)
	}
}

func TestNilMasker(t *testing.T) {
	var m *secret.Masker
	if err := m.Add(secret.New("s3cret")); err != nil {
		t.Error(err)
	}
	var out bytes.Buffer
	w := m.Writer(&out)
	fmt.Fprint(w, "s3cret")
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if out.String() != "s3cret" || m.Mask("s3cret") != "s3cret" || m.Leaks([]byte("s3cret")) != nil {
		t.Error("a nil masker changes text")
	}
}

// TestWriterIsMask cuts texts at random places; what arrives must be what Mask makes of the whole.
func TestWriterIsMask(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	secrets := []string{"abab", "ababcab", "cabba", "line one\nline two", "aaaa", "bcbcbcbcbcbcbcbc"}
	m := masker(t, secrets...)
	for range 3000 {
		var text strings.Builder
		for range rnd.IntN(40) {
			if rnd.IntN(3) == 0 {
				text.WriteString(secrets[rnd.IntN(len(secrets))])
				continue
			}
			text.WriteByte("abc\n ln"[rnd.IntN(7)])
		}
		var out bytes.Buffer
		w := m.Writer(&out)
		for rest := text.String(); rest != ""; {
			n := 1 + rnd.IntN(min(len(rest), 9))
			if _, err := w.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if want := m.Mask(text.String()); out.String() != want {
			t.Fatalf("%q: got %q, want %q", text.String(), out.String(), want)
		}
	}
}

func TestWriterHoldsBackOnlyBeginnings(t *testing.T) {
	m := masker(t, "s3cret-token")
	var out bytes.Buffer
	w := m.Writer(&out)
	for _, step := range []struct{ write, arrived string }{
		{"progress 50%\n", "progress 50%\n"},
		{"token: s3cre", "token: "},
		{"t-tok", ""},
		{"en.\n", "***.\n"},
		{"s3cret-t", ""},
		{"est\n", "s3cret-test\n"},
	} {
		out.Reset()
		if n, err := w.Write([]byte(step.write)); n != len(step.write) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		if out.String() != step.arrived {
			t.Errorf("after %q: got %q, want %q", step.write, out.String(), step.arrived)
		}
	}
	out.Reset()
	fmt.Fprint(w, "s3cret")
	if err := w.Flush(); err != nil || out.String() != "s3cret" {
		t.Errorf("Flush: got %q, %v, want the held beginning", out.String(), err)
	}
}

func TestWriterMasksSecretsAddedLater(t *testing.T) {
	m := new(secret.Masker)
	var out bytes.Buffer
	w := m.Writer(&out)
	fmt.Fprint(w, "before ")
	if err := m.Add(secret.New("late-token")); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, "late-", "token")
	if err := w.Close(); err != nil || out.String() != "before ***" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWriterReturnsErrors(t *testing.T) {
	w := masker(t, "s3cret").Writer(brokenPipe{})
	if n, err := w.Write([]byte("text")); n != 0 || err == nil {
		t.Errorf("got %d, %v, want the error of the writer below", n, err)
	}
}

func TestMaskerConcurrently(t *testing.T) {
	m := masker(t, "first-secret")
	var out bytes.Buffer
	w := m.Writer(&out)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := m.Add(secret.New(fmt.Sprintf("secret-number-%d", i))); err != nil {
				t.Error(err)
			}
			fmt.Fprintf(w, "first-secret secret-number-%d\n", i)
			m.Mask("first-secret")
			m.Leaks([]byte("first-secret"))
		})
	}
	wg.Wait()
	if got, want := out.String(), strings.Repeat("*** ***\n", 8); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzWriter(f *testing.F) {
	f.Add("s3cret s3crs3cret", uint8(3))
	m := masker(f, "s3cret", "crs3", "cccc")
	f.Fuzz(func(t *testing.T, text string, step uint8) {
		var out bytes.Buffer
		w := m.Writer(&out)
		for part := range slices.Chunk([]byte(text), int(step)+1) {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if want := m.Mask(text); out.String() != want {
			t.Fatalf("got %q, want %q", out.String(), want)
		}
		if leaks := m.Leaks(out.Bytes()); len(leaks) > 0 {
			t.Fatalf("%q shows %v", out.String(), leaks)
		}
	})
}

// buildLog is 1 MiB of what cargo prints, with a few secrets in it.
func buildLog(secrets []string) string {
	rnd := rand.New(rand.NewPCG(5, 6))
	var b strings.Builder
	for b.Len() < 1<<20 {
		fmt.Fprintf(&b, "   Compiling crate-%d v0.%d.%d (/repo/target/package/crate-%d)\n", rnd.IntN(999), rnd.IntN(99), rnd.IntN(9), rnd.IntN(999))
		if rnd.IntN(1000) == 0 {
			b.WriteString(secrets[rnd.IntN(len(secrets))])
		}
	}
	return b.String()
}

func tenSecrets() []string {
	var secrets []string
	for i := range 9 {
		secrets = append(secrets, fmt.Sprintf("ghs_%032x%d", i*7919, i))
	}
	key := "-----BEGIN RSA PRIVATE KEY-----\n"
	for i := range 25 {
		key += base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(i), 77, 3}, 16)) + "\n"
	}
	return append(secrets, key+"-----END RSA PRIVATE KEY-----\n")
}

func BenchmarkMask(b *testing.B) {
	secrets := tenSecrets()
	m, text := masker(b, secrets...), buildLog(secrets)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		m.Mask(text)
	}
}

func BenchmarkWriter(b *testing.B) {
	secrets := tenSecrets()
	m, text := masker(b, secrets...), buildLog(secrets)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		w := m.Writer(&bytes.Buffer{})
		for line := range strings.Lines(text) {
			_, _ = w.Write([]byte(line))
		}
		_ = w.Close()
	}
}

func BenchmarkAdd(b *testing.B) {
	secrets := tenSecrets()
	for b.Loop() {
		masker(b, secrets...).Mask("x")
	}
}
