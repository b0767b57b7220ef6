package render

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode"

	"github.com/tagboat/tagboat/internal/render/plain"
)

// Markdown takes a string of unknown origin in one of three ways: escape for prose, code for names, fence for text of
// several lines. All three pass Clean or Block first.

// escape makes s plain text within a paragraph, a table cell or a list item of GitHub's Markdown: no formatting, no
// HTML, no links, and nobody and no issue is mentioned.
func escape(s string) string {
	var b strings.Builder
	text := []rune(plain.Clean(s))
	for i, r := range text {
		switch {
		case strings.ContainsRune("\\`*_[]~$", r), strings.ContainsRune("#-+=.)", r) && i < blockEnd(text):
			b.WriteRune('\\')
			b.WriteRune(r)
		case strings.ContainsRune("&<>|", r), r == ':' && i+1 < len(text) && text[i+1] != ' ', r == '.' && i >= 3 && strings.EqualFold(string(text[i-3:i]), "www"):
			// ":" would make links of addresses, emoji, and workflow commands; "|" ends a cell even after a backslash.
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteRune(r)
			b.WriteString(breakMention(text, i))
		}
	}
	return b.String()
}

// breakMention returns the zero-width space that keeps "@name", "#1" and "GH-1" from notifying anybody. Mentions are
// looked for in the rendered text, where a backslash is gone already.
func breakMention(text []rune, i int) string {
	digit := i+1 < len(text) && unicode.IsDigit(text[i+1])
	switch {
	case text[i] == '@', text[i] == '#' && digit:
		return "&#8203;"
	case text[i] == '-' && digit && i >= 2 && strings.EqualFold(string(text[i-2:i]), "gh"):
		return "&#8203;"
	}
	return ""
}

// blockEnd returns the length of what could begin a heading, a list, a quotation or a rule at the start of text.
func blockEnd(text []rune) int {
	i := 0
	for i < len(text) && unicode.IsDigit(text[i]) {
		i++
	}
	return i + 1
}

// safeURL is what link makes a link of.
var safeURL = regexp.MustCompile(`https://[A-Za-z0-9][A-Za-z0-9.-]*(?:/(?:[A-Za-z0-9._~/?=%+-]*[A-Za-z0-9/])?)?`)

// link is like escape, but https addresses of harmless characters become links. It is for addresses that the forge
// made and for hints, which are our own sentences.
func link(s string) string {
	var words []string
	for word := range strings.FieldsSeq(plain.Clean(s)) {
		at := safeURL.FindStringIndex(word)
		if at == nil {
			words = append(words, escape(word))
			continue
		}
		words = append(words, escape(word[:at[0]])+"<"+word[at[0]:at[1]]+">"+escape(word[at[1]:]))
	}
	return strings.Join(words, " ")
}

// prose escapes s with rest, except that pairs of backticks make code spans, as our own sentences use them.
func prose(s string, rest func(string) string) string {
	parts := strings.Split(plain.Clean(s), "`")
	if len(parts)%2 == 0 {
		return rest(s)
	}
	var b strings.Builder
	for i, part := range parts {
		text := strings.TrimSpace(part)
		switch {
		case i%2 == 0:
			left := len(part) - len(strings.TrimLeft(part, " "))
			b.WriteString(part[:left] + rest(text) + part[left+len(text):])
		case text == "":
			return rest(s)
		default:
			b.WriteString(code(text))
		}
	}
	return b.String()
}

// code makes s a code span that is fit for a table cell.
func code(s string) string {
	s = plain.Clean(s)
	if s == "" {
		return ""
	}
	if strings.ContainsAny(s, "|") {
		return "<code>" + escape(s) + "</code>" // a code span cannot hold "|" inside and outside of a table alike
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// htmlText makes s plain text within a block of HTML, where Markdown is not read.
func htmlText(s string) string {
	s = html.EscapeString(plain.Clean(s))
	return strings.NewReplacer("@", "@&#8203;", ":", "&#58;").Replace(s)
}

// fence makes s a block that is shown as it is.
func fence(s string) string {
	s = plain.Block(s)
	if s == "" {
		return ""
	}
	marks := strings.Repeat("`", max(3, longestRun(s, '`')+1))
	return marks + "text\n" + s + "\n" + marks + "\n"
}

func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// label makes s the text of a Mermaid node or edge: everything that is not a letter, a digit or harmless becomes one
// of Mermaid's entity codes (https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters).
func label(s string) string {
	var b strings.Builder
	text := []rune(plain.Clean(s))
	for i, r := range text {
		list := i == 0 || r == '.' && i+1 < len(text) && text[i+1] == ' ' // "- x" and "1. x" are no labels for Mermaid
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == ' ', strings.ContainsRune("._-+", r) && !list:
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}
