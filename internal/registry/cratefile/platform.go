package cratefile

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// maxNesting bounds how deep a cfg expression may nest; real ones stay below ten.
const maxNesting = 128

// canonicalPlatform returns the key of a [target.KEY] table as cargo prints a platform: a target triple as it is, a cfg
// expression with single spaces and no trailing commas. The grammar is cargo's own
// (https://docs.rs/cargo-platform), which knows no blank but the space.
func canonicalPlatform(key string) (string, error) {
	body, isCfg := strings.CutPrefix(key, "cfg(")
	if isCfg {
		body, isCfg = strings.CutSuffix(body, ")")
	}
	if !isCfg {
		for _, r := range key {
			if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("_-.", r) {
				return "", fmt.Errorf("target %q: unexpected character %q in a target name", key, r)
			}
		}
		return key, nil
	}
	p := cfgParser{rest: body}
	p.advance()
	var out strings.Builder
	out.WriteString("cfg(")
	if err := p.expression(&out, 0); err != nil {
		return "", fmt.Errorf("target %q: %w", key, err)
	}
	if p.token.kind != tokenEnd {
		return "", fmt.Errorf("target %q: text after the expression", key)
	}
	out.WriteString(")")
	return out.String(), nil
}

type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenIdent
	tokenString
	tokenMark // one of ( ) , =
	tokenBad
)

type cfgToken struct {
	kind tokenKind
	text string // of an identifier without r#, of a string without its quotes
	raw  bool   // the identifier was written r#name
}

func (t cfgToken) mark(s string) bool { return t.kind == tokenMark && t.text == s }

// cfgParser walks a cfg expression with one token of look-ahead and prints what it reads.
type cfgParser struct {
	rest  string
	token cfgToken
}

func (p *cfgParser) advance() {
	p.rest = strings.TrimLeft(p.rest, " ")
	if p.rest == "" {
		p.token = cfgToken{}
		return
	}
	switch c := p.rest[0]; {
	case strings.IndexByte("(),=", c) >= 0:
		p.token, p.rest = cfgToken{kind: tokenMark, text: string(c)}, p.rest[1:]
	case c == '"':
		// Cargo's strings know no escapes: they end at the next quote.
		text, rest, closed := strings.Cut(p.rest[1:], `"`)
		if !closed {
			p.token = cfgToken{kind: tokenBad, text: "an unterminated string"}
			return
		}
		p.token, p.rest = cfgToken{kind: tokenString, text: text}, rest
	default:
		body, raw := strings.CutPrefix(p.rest, "r#")
		n := identLength(body)
		if n == 0 {
			p.token = cfgToken{kind: tokenBad, text: fmt.Sprintf("an unexpected character in %q", p.rest)}
			return
		}
		p.token, p.rest = cfgToken{kind: tokenIdent, text: body[:n], raw: raw}, body[n:]
	}
}

func identLength(s string) int {
	n := 0
	for n < len(s) {
		c := s[n]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (n == 0 || c < '0' || c > '9') {
			break
		}
		n++
	}
	return n
}

func (p *cfgParser) expect(mark string) error {
	if !p.token.mark(mark) {
		return fmt.Errorf("expected %q, found %s", mark, p.found())
	}
	p.advance()
	return nil
}

func (p *cfgParser) found() string {
	switch p.token.kind {
	case tokenEnd:
		return "the end"
	case tokenBad:
		return p.token.text
	default:
		return fmt.Sprintf("%q", p.token.text)
	}
}

func (p *cfgParser) expression(out *strings.Builder, depth int) error {
	if depth > maxNesting {
		return errors.New("the expression nests too deep")
	}
	if p.token.kind != tokenIdent {
		return fmt.Errorf("expected an identifier, found %s", p.found())
	}
	name := p.token
	p.advance()
	if !name.raw {
		switch name.text {
		case "all", "any":
			return p.list(out, name.text, depth)
		case "not":
			return p.negation(out, depth)
		}
	}
	if !p.token.mark("=") {
		// Cargo takes r#true for the literal true and prints it so.
		if name.raw && name.text != "true" && name.text != "false" {
			out.WriteString("r#")
		}
		out.WriteString(name.text)
		return nil
	}
	p.advance()
	if p.token.kind != tokenString {
		return fmt.Errorf("expected a string after %q, found %s", name.text+" =", p.found())
	}
	if name.raw {
		out.WriteString("r#")
	}
	fmt.Fprintf(out, `%s = "%s"`, name.text, p.token.text)
	p.advance()
	return nil
}

func (p *cfgParser) negation(out *strings.Builder, depth int) error {
	if err := p.expect("("); err != nil {
		return err
	}
	out.WriteString("not(")
	if err := p.expression(out, depth+1); err != nil {
		return err
	}
	out.WriteString(")")
	return p.expect(")")
}

func (p *cfgParser) list(out *strings.Builder, op string, depth int) error {
	if err := p.expect("("); err != nil {
		return err
	}
	out.WriteString(op + "(")
	for n := 0; !p.token.mark(")"); n++ {
		if n > 0 {
			out.WriteString(", ")
		}
		if err := p.expression(out, depth+1); err != nil {
			return err
		}
		if !p.token.mark(",") {
			break
		}
		p.advance()
	}
	out.WriteString(")")
	return p.expect(")")
}
