package redist

import (
	"fmt"
	"slices"
	"strings"
)

// Licences says which licences are accepted. Empty lists accept all.
type Licences struct{ Allow, Deny []string }

// Accept judges an SPDX licence expression (https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/), or the older
// form of cargo with a slash for OR. Of alternatives one is enough. The error says what is not accepted, or what cannot
// be read.
func (l Licences) Accept(expression string) error {
	text := strings.NewReplacer("/", " OR ", "(", " ( ", ")", " ) ").Replace(expression)
	p := &spdx{words: strings.Fields(text), rules: l}
	if len(p.words) == 0 {
		return fmt.Errorf("there is no licence expression")
	}
	refused, err := p.or(0)
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("%q is left over", p.words[0])
	}
	if err != nil {
		return fmt.Errorf("the licence expression %q cannot be read: %w", expression, err)
	}
	if len(refused) > 0 {
		return fmt.Errorf("%s: %s is not accepted", expression, strings.Join(refused, ", "))
	}
	return nil
}

// spdx walks an expression. Each rule returns the licences for which its part is refused, none where it is accepted.
type spdx struct {
	words []string
	rules Licences
}

const maxNesting = 32

func (p *spdx) next(word string) bool {
	if len(p.words) > 0 && strings.EqualFold(p.words[0], word) {
		p.words = p.words[1:]
		return true
	}
	return false
}

func (p *spdx) or(depth int) ([]string, error) {
	refused, err := p.and(depth)
	for err == nil && p.next("OR") {
		var other []string
		if other, err = p.and(depth); len(other) == 0 || len(refused) == 0 {
			refused = nil
		} else {
			refused = union(refused, other)
		}
	}
	return refused, err
}

func (p *spdx) and(depth int) ([]string, error) {
	refused, err := p.term(depth)
	for err == nil && p.next("AND") {
		var other []string
		other, err = p.term(depth)
		refused = union(refused, other)
	}
	return refused, err
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

func (p *spdx) term(depth int) ([]string, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("it nests more than %d deep", maxNesting)
	}
	if p.next("(") {
		refused, err := p.or(depth + 1)
		if err == nil && !p.next(")") {
			err = fmt.Errorf("a bracket is not closed")
		}
		return refused, err
	}
	if len(p.words) == 0 {
		return nil, fmt.Errorf("it ends too early")
	}
	id := p.words[0]
	if !isLicenceID(id) {
		return nil, fmt.Errorf("%q is no licence", id)
	}
	p.words = p.words[1:]
	whole := id
	if p.next("WITH") {
		if len(p.words) == 0 || !isLicenceID(p.words[0]) {
			return nil, fmt.Errorf("nothing follows WITH")
		}
		whole += " WITH " + p.words[0]
		p.words = p.words[1:]
	}
	if p.rules.accepts(id, whole) {
		return nil, nil
	}
	return []string{whole}, nil
}

func isLicenceID(s string) bool {
	for _, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-.+:", c) >= 0) {
			return false
		}
	}
	return s != "" && !slices.ContainsFunc([]string{"AND", "OR", "WITH"}, func(w string) bool { return strings.EqualFold(w, s) })
}

// accepts judges one licence, alone and with its exception. An exception only permits more, so accepting the licence
// accepts it with any; listing the whole decides before the licence alone does.
func (l Licences) accepts(id, whole string) bool {
	switch {
	case listed(l.Deny, whole):
		return false
	case listed(l.Allow, whole):
		return true
	case listed(l.Deny, id):
		return false
	}
	return len(l.Allow) == 0 || listed(l.Allow, id)
}

// listed looks for a licence by its identifier, whatever its case. "or later" includes the version that it names.
func listed(list []string, id string) bool {
	bare := func(s string) string {
		s = strings.Join(strings.Fields(strings.ToLower(s)), " ")
		return strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(s, "+"), "-or-later"), "-only")
	}
	return slices.ContainsFunc(list, func(s string) bool { return bare(s) == bare(id) })
}
