package secret

import (
	"slices"
	"strings"
)

// index finds many forms in one pass. All forms have at least four bytes: a bit per hash of the first four tells
// almost every position of a text apart from a possible start.
type index struct {
	kinds   map[string]string
	starts  map[uint32][]string // first four bytes -> forms, longest first
	short   map[string]bool     // the first one, two and three bytes of forms
	filter  [1 << 10]uint64
	longest int
}

// span is a part of a text: from <= i < to.
type span struct{ from, to int }

func newIndex(kinds map[string]string) *index {
	x := &index{kinds: kinds, starts: map[uint32][]string{}, short: map[string]bool{}}
	for form := range kinds {
		x.short[form[:1]], x.short[form[:2]], x.short[form[:3]] = true, true, true
		key := first4(form)
		x.starts[key] = append(x.starts[key], form)
		h := hash16(key)
		x.filter[h>>6] |= 1 << (h & 63)
		x.longest = max(x.longest, len(form))
	}
	for _, forms := range x.starts {
		slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	}
	return x
}

// find returns the parts of s that forms cover, in order; overlapping ones are joined, neighbouring ones are not. The
// first covered bytes of s are known to be covered already: what overlaps them is joined to them and returned as a
// span from 0.
func (x *index) find(s string, covered int) []span {
	var out []span
	if covered > 0 {
		out = append(out, span{0, covered})
	}
	if x == nil {
		return out
	}
	for i := 0; i+MinLength <= len(s); i++ {
		key := first4(s[i:])
		if !x.maybe(key) {
			continue
		}
		end := 0
		if n := len(out); n > 0 {
			end = out[n-1].to
		}
		for _, form := range x.starts[key] {
			if i+len(form) <= end {
				break // shorter forms here are covered too
			}
			if !strings.HasPrefix(s[i:], form) {
				continue
			}
			if i < end {
				out[len(out)-1].to = i + len(form)
			} else {
				out = append(out, span{i, i + len(form)})
			}
			break
		}
	}
	return out
}

// pending returns the first position of s from which the rest of s is the beginning of a form, but not all of it;
// len(s) where there is none.
func (x *index) pending(s string) int {
	if x == nil {
		return len(s)
	}
	for i := max(0, len(s)-x.longest+1); i < len(s); i++ {
		if x.begins(s[i:]) {
			return i
		}
	}
	return len(s)
}

func (x *index) begins(rest string) bool {
	if len(rest) < MinLength {
		return x.short[rest]
	}
	key := first4(rest)
	if !x.maybe(key) {
		return false
	}
	for _, form := range x.starts[key] {
		if len(form) > len(rest) && strings.HasPrefix(form, rest) {
			return true
		}
	}
	return false
}

// maybe reports whether a form may start with these four bytes; false is certain.
func (x *index) maybe(key uint32) bool {
	h := hash16(key)
	return x.filter[h>>6]&(1<<(h&63)) != 0
}

func first4(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func hash16(key uint32) uint32 { return key * 2654435761 >> 16 }
