package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/go-github/v62/github"
)

// Class says what an error means for whoever must decide what to do next. It is taken from the status, the headers
// and the structured body, never from the wording of a message.
type Class int

const (
	// Refused is an answer that the same request will get again: a validation error, an unexpected redirect, an
	// answer that is not what the API describes.
	Refused Class = iota
	// Transient is a 5xx, a 408, a lost connection or a stalled transfer. A write may or may not have had its effect:
	// look before acting again.
	Transient
	// RateLimited is the primary or the secondary limit; RetryAt says when to come back.
	RateLimited
	// Denied is a 401, a 403, or a 404 that cannot mean a missing object; Accepted names the permissions that help.
	Denied
	// NotFound is a 404 or 410. Where the token may not see something, GitHub answers so as well.
	NotFound
	// Conflict means that something else is there already: a 409, or a 422 whose errors say already_exists.
	Conflict
	// Interrupted means that the caller's context ended.
	Interrupted
)

// String returns the class as one lower-case word or two.
func (c Class) String() string {
	switch c {
	case Transient:
		return "transient"
	case RateLimited:
		return "rate limited"
	case Denied:
		return "denied"
	case NotFound:
		return "not found"
	case Conflict:
		return "conflict"
	case Interrupted:
		return "interrupted"
	}
	return "refused"
}

// Error is a request that did not give what was asked. Op is the operation with its nouns ("create branch release/v1
// in o/r"). Status is 0 where no answer arrived. Message holds GitHub's message and every element of its errors array.
// Documentation is the link GitHub names. Accepted is the header X-Accepted-GitHub-Permissions as it came
// ("contents=write; contents=write,workflows=write": alternatives by semicolon), empty when absent. RetryAt is zero
// where the answer named no time.
//
// https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
type Error struct {
	Op            string
	Status        int
	Class         Class
	Message       string
	Documentation string
	Accepted      string
	RetryAt       time.Time
	Err           error
}

// Error returns the operation, the status, GitHub's message and the permissions that would have been accepted.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	b.WriteString(": ")
	if e.Status != 0 {
		b.WriteString(strconv.Itoa(e.Status))
		if e.Message != "" {
			b.WriteString(" ")
		}
	}
	b.WriteString(e.Message)
	if e.Err != nil {
		if e.Status != 0 || e.Message != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	if e.Accepted != "" {
		fmt.Fprintf(&b, " (accepted permissions: %s)", e.Accepted)
	}
	if e.Class == RateLimited && !e.RetryAt.IsZero() {
		fmt.Fprintf(&b, " (until %s)", e.RetryAt.UTC().Format(time.RFC3339))
	}
	return b.String()
}

// Unwrap returns the cause, nil for an answer of the server.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether looking again and then trying again can help without a person.
func (e *Error) Retryable() bool { return e.Class == Transient || e.Class == RateLimited }

// RetryTime returns the time before which trying again is pointless, zero if the server named none.
func (e *Error) RetryTime() time.Time { return e.RetryAt }

// tokenError keeps the error of the token function apart from those of the wire: whether a new attempt helps is for
// its own type to say.
type tokenError struct{ err error }

func (e *tokenError) Error() string { return "token: " + e.err.Error() }
func (e *tokenError) Unwrap() error { return e.err }

// ErrTooLarge is the cause of an *Error whose answer was larger than 32 MiB.
var ErrTooLarge = errors.New("answer is larger than the limit")

var (
	errHost     = errors.New("host is not one that may see the token")
	errRedirect = errors.New("redirect that cannot be followed")
	errStalled  = errors.New("no byte moved for too long")
	errSlow     = errors.New("no complete answer in time")
)

// fail turns what go-github returned into an *Error. The server's own words are used, not go-github's types: v62 knows
// a rate limit only as a 403, while GitHub answers 429 as well.
func (c *Client) fail(ctx context.Context, op string, resp *http.Response, err error) error {
	op += " in " + c.slug
	if resp != nil && (resp.StatusCode < 200 || resp.StatusCode > 299) {
		return classify(op, resp, time.Now())
	}
	return failedExchange(ctx, op, err)
}

// failedExchange classifies an exchange that gave no complete answer.
func failedExchange(ctx context.Context, op string, err error) error {
	var te *tokenError
	if errors.As(err, &te) && ctx.Err() == nil {
		return fmt.Errorf("%s: %w", op, te)
	}
	e := &Error{Op: op, Err: withoutURL(err)}
	var accepted *github.AcceptedError
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	var cert *tls.CertificateVerificationError
	switch {
	case ctx.Err() != nil:
		e.Class, e.Err = Interrupted, ctx.Err()
		if cause := context.Cause(ctx); cause != e.Err {
			e.Err = fmt.Errorf("%w: %w", e.Err, cause)
		}
	case errors.As(err, &accepted):
		e.Class, e.Status, e.Err = Transient, http.StatusAccepted, nil
		e.Message = "the answer is being prepared"
	case errors.Is(err, ErrTooLarge), errors.Is(err, errHost), errors.Is(err, errRedirect), errors.As(err, &syntax), errors.As(err, &shape), errors.As(err, &cert):
		e.Class = Refused
	default:
		e.Class = Transient
	}
	return e
}

// withoutURL drops the URL that net/http puts into its errors: that of a redirect target carries a signature.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// body is the shape of GitHub's errors. errors holds objects, strings, or is one string.
type body struct {
	Message       string          `json:"message"`
	Documentation string          `json:"documentation_url"`
	Errors        json.RawMessage `json:"errors"`
}

type bodyError struct {
	Resource string `json:"resource"`
	Field    string `json:"field"`
	Code     string `json:"code"`
	Message  string `json:"message"`
}

// classify reads the answer and says what it means. now is the local time at which it arrived.
//
// https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
func classify(op string, resp *http.Response, now time.Time) *Error {
	e := &Error{Op: op, Status: resp.StatusCode, Accepted: clean(resp.Header.Get("X-Accepted-GitHub-Permissions"), 300)}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var b body
	if err == nil && json.Unmarshal(data, &b) != nil {
		b = body{}
	}
	details := parseErrors(b.Errors)
	e.Documentation = clean(b.Documentation, 300)
	e.Message = message(resp, b.Message, details)
	e.RetryAt = retryAfter(resp.Header, now)

	switch status := resp.StatusCode; {
	case limited(resp, b):
		e.Class = RateLimited
		if e.RetryAt.IsZero() {
			e.RetryAt = limitReset(resp.Header, now)
		}
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusUnavailableForLegalReasons:
		e.Class = Denied
	case status == http.StatusNotFound, status == http.StatusGone:
		e.Class = NotFound
	case status == http.StatusConflict, status == http.StatusUnprocessableEntity && hasCode(details, "already_exists"):
		e.Class = Conflict
	case status >= 500, status == http.StatusRequestTimeout:
		e.Class = Transient
	}
	if e.Class != Denied && e.Class != NotFound {
		e.Accepted = ""
	}
	return e
}

// limited reports whether the answer is a rate limit: any 429, and a 403 that names a time, that used up the last
// request of the window, or whose documentation is that of the secondary limits.
func limited(resp *http.Response, b body) bool {
	if resp.StatusCode == http.StatusTooManyRequests {
		return true
	}
	return resp.StatusCode == http.StatusForbidden && (resp.Header.Get("Retry-After") != "" ||
		resp.Header.Get("X-RateLimit-Remaining") == "0" ||
		strings.HasSuffix(b.Documentation, "secondary-rate-limits") || strings.HasSuffix(b.Documentation, "#abuse-rate-limits"))
}

// limitReset returns when the window ends. It is measured against the server's own Date, so that a wrong local clock
// does not make us knock too early; without a usable header it is a minute, as GitHub advises.
func limitReset(h http.Header, now time.Time) time.Time {
	minute := now.Add(time.Minute)
	sec, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil || h.Get("X-RateLimit-Remaining") != "0" {
		return minute
	}
	reset := time.Unix(sec, 0)
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		reset = now.Add(reset.Sub(date))
	}
	if !reset.After(now) {
		return minute
	}
	return reset
}

// retryAfter reads Retry-After, seconds or a date, zero when absent.
func retryAfter(h http.Header, now time.Time) time.Time {
	v := h.Get("Retry-After")
	if v == "" {
		return time.Time{}
	}
	if sec, err := strconv.ParseInt(v, 10, 32); err == nil && sec >= 0 {
		return now.Add(time.Duration(sec) * time.Second)
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return time.Time{}
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return now.Add(at.Sub(date))
	}
	return at
}

func parseErrors(raw json.RawMessage) []bodyError {
	raw = bytes.TrimSpace(raw)
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			return nil
		}
		list = []json.RawMessage{raw}
	}
	var out []bodyError
	for _, item := range list {
		var e bodyError
		if json.Unmarshal(item, &e) != nil {
			var s string
			if json.Unmarshal(item, &s) != nil {
				continue
			}
			e = bodyError{Message: s}
		}
		out = append(out, e)
	}
	return out
}

func hasCode(list []bodyError, code string) bool {
	for _, e := range list {
		if e.Code == code {
			return true
		}
	}
	return false
}

// message joins GitHub's message with every element of the errors array.
func message(resp *http.Response, first string, details []bodyError) string {
	parts := []string{}
	if first == "" {
		first = http.StatusText(resp.StatusCode)
		if where := resp.Header.Get("Location"); where != "" {
			if u, err := url.Parse(where); err == nil {
				first += " to " + u.Scheme + "://" + u.Host + u.Path
			}
		}
	}
	parts = append(parts, first)
	for _, d := range details {
		var s []string
		if place := strings.Trim(d.Resource+"."+d.Field, "."); place != "" {
			s = append(s, place)
		}
		for _, v := range []string{d.Code, d.Message} {
			if v != "" {
				s = append(s, v)
			}
		}
		if len(s) > 0 {
			parts = append(parts, strings.Join(s, " "))
		}
	}
	return clean(strings.Join(parts, "; "), 2000)
}

// clean makes a server's text fit for one line of a log: no control characters, not longer than limit bytes.
func clean(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
