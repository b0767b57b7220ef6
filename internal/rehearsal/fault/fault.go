// Package fault is the small language in which a rehearsal is told what goes wrong, and the HTTP middleware that
// makes it go wrong.
//
// A fault is one line:
//
//	[SERVICE] [OPERATION [ARGUMENT]] [#N | every]: ACTION
//	die before|after STEP
//	disk full at STEP
//
// for instance
//
//	publish core: refuse 503
//	crates-io publish core #2: accept-then 500
//	github upload-asset bill.json: drop
//	github create-ref: accept-then drop
//	publish *: refuse 429 retry-after 60s
//	github: delay 2s
//	index: lag 30s
//	crates-io: expire after 3 publishes
//	die before publish/crates-io/core@0.4.0
//	disk full at package
//
// SERVICE is "github" or the name of a registry; without it every service is meant. ARGUMENT and STEP are globs in
// which * stands for any characters, slashes included, and ? for one. A STEP is the key of a step or its kind. What
// is refused, dropped or killed is the first call that matches, unless #N or every says otherwise; delays and lags
// last. A word in double quotes is never read as an operation or a keyword. Reference lists every word.
//
// Faults act on real HTTP servers: a dropped answer is a closed connection, and an answer that is lost after the
// fact is lost after the handler has really done its work.
package fault

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Action says what happens to the calls that a fault selects.
type Action string

// The actions. Die and DieAfter act on a call where Spec.Step is empty and on a step where it is not.
const (
	Refuse     Action = "refuse"      // answer Status without doing anything; with 429 or 403, RetryAfter may be given
	AcceptThen Action = "accept-then" // do what was asked, then answer Status, or drop the connection where Status is 0
	Drop       Action = "drop"        // close the connection without doing anything
	Delay      Action = "delay"       // wait Duration before doing what was asked
	Lag        Action = "lag"         // the index shows an accepted version only Duration later
	Expire     Action = "expire"      // the token stops to work after Count calls or after Duration
	Die        Action = "die"         // the process ends before the effect
	DieAfter   Action = "die-after"   // the process ends after the effect and before the answer
	DiskFull   Action = "disk-full"   // the step finds no space on the disk
)

// Spec is one fault. The zero value of a selector field selects everything.
type Spec struct {
	Service   string // "github" or a registry's name
	Operation string // one of Operations
	Argument  string // glob over the operation's argument
	Step      string // glob over a step's key or kind, for Die, DieAfter and DiskFull; the three fields above are then empty
	Call      int    // only the n-th matching call, from 1
	Every     bool   // every matching call

	Action     Action
	Status     int           // Refuse, AcceptThen
	RetryAfter time.Duration // Refuse: the Retry-After header, a date for registries and seconds for GitHub
	Duration   time.Duration // Delay, Lag; Expire where Unit is ""
	Count      int           // Expire where Unit is not ""
	Unit       string        // Expire: "publishes" or "calls"
}

// String returns the fault as a line that Parse reads back to the same Spec.
func (s Spec) String() string {
	if s.Step != "" {
		return s.stepString()
	}
	var b strings.Builder
	word := func(w string) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
	if s.Service != "" {
		word(quote(s.Service, isOperation(s.Service) || s.Service == "*" || reserved[s.Service]))
	}
	if s.Operation != "" {
		word(s.Operation)
	}
	if s.Argument != "" {
		word(quote(s.Argument, reserved[s.Argument]))
	}
	if s.Service == "" && s.Operation == "" {
		word("*")
	}
	if o := s.occurrence(); o != "" {
		word(o)
	}
	return b.String() + ": " + s.actionString()
}

func (s Spec) occurrence() string {
	switch {
	case s.Every:
		return "every"
	case s.Call > 0:
		return "#" + strconv.Itoa(s.Call)
	}
	return ""
}

func (s Spec) stepString() string {
	head := map[Action]string{Die: "die before ", DieAfter: "die after ", DiskFull: "disk full at "}[s.Action]
	text := head + quote(s.Step, reserved[s.Step])
	if o := s.occurrence(); o != "" {
		text += " " + o
	}
	return text
}

func (s Spec) actionString() string {
	switch s.Action {
	case Refuse:
		text := fmt.Sprintf("refuse %d", s.Status)
		if s.RetryAfter > 0 {
			text += " retry-after " + span(s.RetryAfter)
		}
		return text
	case AcceptThen:
		if s.Status == 0 {
			return "accept-then drop"
		}
		return fmt.Sprintf("accept-then %d", s.Status)
	case Delay, Lag:
		return string(s.Action) + " " + span(s.Duration)
	case Expire:
		if s.Unit == "" {
			return "expire after " + span(s.Duration)
		}
		return fmt.Sprintf("expire after %d %s", s.Count, s.Unit)
	}
	return string(s.Action)
}

// lasting reports whether the fault acts on every matching call when no occurrence is given.
func (s Spec) lasting() bool { return s.Action == Delay || s.Action == Lag || s.Action == Expire }

// span is a duration without trailing zero units: "1m", not "1m0s".
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// reserved are the words that mean something of their own where a name may stand.
var reserved = map[string]bool{"every": true, "die": true, "disk": true}

// quote quotes a name that would otherwise be read as something else.
func quote(name string, must bool) string {
	plain := name != "" && !must && !strings.HasPrefix(name, "#") && !strings.HasSuffix(name, ":") &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == '"' || r <= ' ' || r == 0x7f || r > 0x7e })
	if plain {
		return name
	}
	return strconv.Quote(name)
}

// match reports whether the glob pattern covers all of name; * stands for any characters and ? for one.
func match(pattern, name string) bool {
	star, mark, p, n := -1, 0, 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
