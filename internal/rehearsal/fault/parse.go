package fault

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/problem"
)

// token is a word of a fault's line.
type token struct {
	text   string
	quoted bool
	at     int // byte offset
}

// is reports whether the token is the bare keyword.
func (t token) is(keyword string) bool { return !t.quoted && t.text == keyword }

// Parse reads one fault. An error is a *problem.Error of kind Usage that says at which column reading stopped and
// which words are known there.
func Parse(line string) (Spec, error) {
	p := &parser{line: line}
	spec, err := p.fault()
	if err != nil {
		return Spec{}, err
	}
	return spec, nil
}

type parser struct {
	line string
}

// errorf returns a usage error about the column at.
func (p *parser) errorf(at int, hint, format string, args ...any) error {
	return &problem.Error{
		Kind:    problem.Usage,
		Summary: fmt.Sprintf("the fault %q cannot be read", p.line),
		Detail:  fmt.Sprintf("column %d: ", at+1) + fmt.Sprintf(format, args...),
		Hint:    hint,
	}
}

// suggest is the hint for an unknown word.
func suggest(name, what string, known []string) string {
	list := what + ": " + strings.Join(known, ", ")
	if n := nearest(name, known); n != "" {
		return fmt.Sprintf("did you mean %s? %s", n, list)
	}
	return list
}

// words splits text into tokens; offset is added to their positions.
func (p *parser) words() ([]token, error) {
	var out []token
	for i := 0; i < len(p.line); {
		switch c := p.line[i]; {
		case c == ' ' || c == '\t':
			i++
		case c == '"':
			raw, err := strconv.QuotedPrefix(p.line[i:])
			if err != nil {
				return nil, p.errorf(i, `a quoted word ends with "`, "the quote is not closed")
			}
			text, err := strconv.Unquote(raw)
			if err != nil || text == "" {
				return nil, p.errorf(i, "", "%s is no word", raw)
			}
			out = append(out, token{text, true, i})
			i += len(raw)
		default:
			end := i
			for end < len(p.line) && !strings.ContainsRune(" \t\"", rune(p.line[end])) {
				end++
			}
			out = append(out, token{p.line[i:end], false, i})
			i = end
		}
	}
	for _, t := range out {
		if strings.ContainsFunc(t.text, func(r rune) bool { return !t.quoted && (r < ' ' || r == 0x7f) }) {
			return nil, p.errorf(t.at, "", "control characters must be quoted")
		}
	}
	return out, nil
}

func (p *parser) fault() (Spec, error) {
	words, err := p.words()
	if err != nil {
		return Spec{}, err
	}
	if len(words) == 0 {
		return Spec{}, p.errorf(0, "for instance: publish core: refuse 503", "it is empty")
	}
	selector, action, found := cut(words)
	if !found {
		if words[0].is("die") || words[0].is("disk") {
			return p.step(words)
		}
		return Spec{}, p.errorf(len(p.line), suggest("", "actions", names(actions)), "a colon and an action are missing")
	}
	if len(selector) == 0 {
		return Spec{}, p.errorf(0, "for instance: publish core: refuse 503", "nothing is selected before the colon")
	}
	var spec Spec
	if err := p.selector(selector, &spec); err != nil {
		return Spec{}, err
	}
	if err := p.action(action, &spec); err != nil {
		return Spec{}, err
	}
	return spec, p.fits(selector[0].at, spec)
}

// cut splits the words at the first one that ends with a colon.
func cut(words []token) (selector, action []token, found bool) {
	for i, w := range words {
		if w.quoted || !strings.HasSuffix(w.text, ":") {
			continue
		}
		selector = words[:i:i]
		if w.text = strings.TrimSuffix(w.text, ":"); w.text != "" {
			selector = append(selector, w)
		}
		return selector, words[i+1:], true
	}
	return nil, nil, false
}

// occurrence takes a trailing #N or every off the words.
func (p *parser) occurrence(words []token, spec *Spec) ([]token, error) {
	last := words[len(words)-1]
	switch {
	case last.is("every"):
		spec.Every = true
	case !last.quoted && strings.HasPrefix(last.text, "#"):
		n, err := strconv.Atoi(last.text[1:])
		if err != nil || n < 1 || last.text != "#"+strconv.Itoa(n) {
			return nil, p.errorf(last.at, "for instance #2 for the second call", "%s is no call number", last.text)
		}
		spec.Call = n
	default:
		return words, nil
	}
	return words[:len(words)-1], nil
}

func (p *parser) selector(words []token, spec *Spec) error {
	words, err := p.occurrence(words, spec)
	if err != nil {
		return err
	}
	operation := func(t token) bool { return !t.quoted && isOperation(t.text) }
	if len(words) > 0 && !operation(words[0]) {
		if len(words) > 1 && !operation(words[1]) {
			return p.noOperation(words)
		}
		if spec.Service = words[0].text; words[0].is("*") {
			spec.Service = ""
		}
		words = words[1:]
	}
	if len(words) > 0 {
		spec.Operation = words[0].text
		words = words[1:]
	}
	if len(words) > 0 {
		spec.Argument = words[0].text
		words = words[1:]
	}
	if len(words) > 0 {
		return p.errorf(words[0].at, "a selector is [SERVICE] [OPERATION [ARGUMENT]] [#N | every]", "%s is one word too many", words[0].text)
	}
	return nil
}

// noOperation is the error about a selector in which neither the first nor the second word is an operation. It blames
// the second where the first can be a service, and the first where that looks like an operation with a typing error.
func (p *parser) noOperation(words []token) error {
	service, bad := words[0], words[1]
	switch {
	case service.text == GitHub:
		known := names(githubOperations)
		return p.errorf(bad.at, suggest(bad.text, "operations of GitHub", known), "no operation is called %s", bad.text)
	case nearest(service.text, Operations()) != "" || len(words) == 2 && nearest(bad.text, Operations()) == "":
		bad = service
	}
	return p.errorf(bad.at, suggest(bad.text, "operations", Operations()), "no operation is called %s", bad.text)
}

func (p *parser) action(words []token, spec *Spec) error {
	if len(words) == 0 {
		return p.errorf(len(p.line), suggest("", "actions", names(actions)), "the action is missing")
	}
	first, rest := words[0], words[1:]
	var err error
	switch spec.Action = Action(first.text); spec.Action {
	case Refuse:
		rest, err = p.refuse(rest, spec)
	case AcceptThen:
		if len(rest) > 0 && rest[0].is("drop") {
			rest = rest[1:]
			break
		}
		spec.Status, rest, err = p.status(rest)
	case Delay, Lag:
		spec.Duration, rest, err = p.duration(rest)
	case Expire:
		rest, err = p.expire(rest, spec)
	case Die:
		if len(rest) > 0 && rest[0].is("after") {
			spec.Action, rest = DieAfter, rest[1:]
		} else if len(rest) > 0 && rest[0].is("before") {
			rest = rest[1:]
		}
	case Drop, DieAfter:
	default:
		return p.errorf(first.at, suggest(first.text, "actions", names(actions)), "no action is called %s", first.text)
	}
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return p.errorf(rest[0].at, "", "%s is one word too many after %s", rest[0].text, first.text)
	}
	return nil
}

func (p *parser) refuse(words []token, spec *Spec) ([]token, error) {
	var err error
	if spec.Status, words, err = p.status(words); err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, nil
	}
	if !words[0].is("retry-after") {
		return nil, p.errorf(words[0].at, suggest(words[0].text, "words", []string{"retry-after"}), "after the status comes retry-after, not %s", words[0].text)
	}
	spec.RetryAfter, words, err = p.duration(words[1:])
	return words, err
}

func (p *parser) expire(words []token, spec *Spec) ([]token, error) {
	hint := "expire after 3 publishes, expire after 10 calls, or expire after 30m"
	if len(words) < 2 || !words[0].is("after") {
		return nil, p.errorf(p.place(words, 0), hint, "expire needs to know after what")
	}
	n, err := strconv.Atoi(words[1].text)
	if err != nil {
		spec.Duration, words, err = p.duration(words[1:])
		return words, err
	}
	if n < 0 || len(words) < 3 || !words[2].is("publishes") && !words[2].is("calls") {
		return nil, p.errorf(p.place(words, 2), hint, "expire needs to know after how many publishes or calls")
	}
	spec.Count, spec.Unit = n, words[2].text
	return words[3:], nil
}

// place is the position of the i-th word, or the end of the line.
func (p *parser) place(words []token, i int) int {
	if i < len(words) {
		return words[i].at
	}
	return len(p.line)
}

func (p *parser) status(words []token) (int, []token, error) {
	if len(words) == 0 {
		return 0, nil, p.errorf(len(p.line), "a status from 400 to 599", "the status is missing")
	}
	n, err := strconv.Atoi(words[0].text)
	if err != nil || n < 400 || n > 599 || words[0].text != strconv.Itoa(n) {
		return 0, nil, p.errorf(words[0].at, "a status from 400 to 599", "%s is no status of a refusal", words[0].text)
	}
	return n, words[1:], nil
}

func (p *parser) duration(words []token) (time.Duration, []token, error) {
	if len(words) == 0 {
		return 0, nil, p.errorf(len(p.line), "a duration such as 500ms, 30s or 10m", "the duration is missing")
	}
	d, err := time.ParseDuration(words[0].text)
	if err != nil || d <= 0 {
		return 0, nil, p.errorf(words[0].at, "a duration such as 500ms, 30s or 10m", "%s is no duration", words[0].text)
	}
	return d, words[1:], nil
}

// step reads "die before STEP", "die after STEP" and "disk full at STEP".
func (p *parser) step(words []token) (Spec, error) {
	var spec Spec
	heads := []struct {
		words  []string
		action Action
	}{{[]string{"die", "before"}, Die}, {[]string{"die", "after"}, DieAfter}, {[]string{"disk", "full", "at"}, DiskFull}}
	const hint = "die before STEP, die after STEP, or disk full at STEP; on a call: publish core: die"
	for _, h := range heads {
		if len(words) <= len(h.words) || !starts(words, h.words) {
			continue
		}
		spec.Action = h.action
		rest, err := p.occurrence(words[len(h.words):], &spec)
		if err != nil {
			return Spec{}, err
		}
		if len(rest) != 1 {
			return Spec{}, p.errorf(p.place(rest, 1), hint, "one step is wanted, got %d words", len(rest))
		}
		spec.Step = rest[0].text
		return spec, nil
	}
	return Spec{}, p.errorf(p.place(words, 1), hint, "this does not say when and at which step")
}

func starts(words []token, keywords []string) bool {
	for i, k := range keywords {
		if !words[i].is(k) {
			return false
		}
	}
	return true
}

// fits reports whether the action can act on what is selected.
func (p *parser) fits(at int, spec Spec) error {
	switch {
	case spec.Action == Lag && (spec.Operation != "" && spec.Operation != "index" || spec.Service == GitHub):
		return p.errorf(at, "index: lag 30s, or NAME index CRATE: lag 30s", "only a registry's index can lag")
	case spec.Action == Expire && spec.Operation != "":
		return p.errorf(at, "crates-io: expire after 3 publishes", "a token expires for a whole service, not for one operation")
	case (spec.Action == Lag || spec.Action == Expire) && (spec.Call > 0 || spec.Every):
		return p.errorf(at, "leave #N and every out", "%s does not act on single calls", spec.Action)
	}
	return nil
}
