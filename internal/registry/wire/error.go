package wire

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/tagboat/tagboat/internal/secret"
)

// Class says what kind of no an *Error is.
type Class int

const (
	// Refused: the registry understood and will not do it; the same request will not pass.
	Refused Class = iota
	// Transient: a fault of the way or of the registry; another attempt may pass.
	Transient
	// RateLimited: another attempt will pass, not before RetryTime.
	RateLimited
	// Denied: the token is missing, wrong, or not allowed to.
	Denied
	// NotFound: there is no such crate, version or address.
	NotFound
	// Duplicate: the registry seems to say that it has this version already. Only the index knows, and with which bytes.
	Duplicate
)

func (c Class) String() string {
	return [...]string{"refused", "transient", "rate limited", "denied", "not found", "duplicate"}[c]
}

// Error is a call that did not do what was asked.
type Error struct {
	Registry string // name
	Op       string // operation and nouns: "publish demo 1.0.0"
	Status   int    // HTTP status; 0 when no answer came
	Class    Class
	Detail   string    // the registry's own sentences, made safe to print; may be empty
	RetryAt  time.Time // with RateLimited and Transient, when the registry named a time
	// Unclear: the registry may have done what was asked all the same. Look before another attempt.
	Unclear bool
	Err     error // the cause below HTTP, if any
}

// Error returns one line without the token.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at registry %s: %s", e.Op, e.Registry, e.Class)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same call may pass later without anybody changing anything.
func (e *Error) Retryable() bool { return e.Class == Transient || e.Class == RateLimited }

// RetryTime returns the instant before which another attempt is pointless, or zero where the registry named none.
func (e *Error) RetryTime() time.Time { return e.RetryAt }

// IsClass reports whether err is an *Error of class c.
func IsClass(err error, c Class) bool {
	var e *Error
	return errors.As(err, &e) && e.Class == c
}

// Final is a fault on this side, or a rule of ours, that another attempt would meet again.
func Final(reason string) error { return &finalError{reason} }

type finalError struct{ reason string }

func (e *finalError) Error() string { return e.reason }

// TransportError classifies a call that got no answer. When ctx itself ended, that is the caller's doing and no fault of
// the registry, so the error is none to retry.
func (c *Client) TransportError(ctx context.Context, k Call, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s at registry %s: %w", k.Op, c.registry, context.Cause(ctx))
	}
	e := &Error{Registry: c.registry, Op: k.Op, Class: Transient, Unclear: k.Write, Err: err}
	var final *finalError
	var certificate *tls.CertificateVerificationError
	var network *net.OpError
	switch {
	case errors.As(err, &final):
		e.Class, e.Unclear = Refused, false
	case errors.As(err, &certificate):
		e.Class, e.Unclear = Refused, false
		e.Detail = "its certificate is not trusted here; SSL_CERT_FILE names a file with the certificates of further authorities"
	case errors.As(err, &network) && network.Op == "proxyconnect":
		e.Detail = "the proxy does not answer (HTTPS_PROXY, HTTP_PROXY; NO_PROXY names hosts to reach without it)"
	}
	return e
}

// StatusError classifies an answer that is not the wished one.
func (c *Client) StatusError(k Call, resp *http.Response, body []byte) *Error {
	details, structured := parseDetails(body)
	e := &Error{Registry: c.registry, Op: k.Op, Status: resp.StatusCode, Detail: Clean(strings.Join(details, "; "), k.Token)}
	if !structured && len(body) > 0 {
		e.Detail = excerpt(resp.Header.Get("Content-Type"), body, k.Token)
	}
	retryAt, named := parseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable && named:
		e.Class, e.RetryAt = RateLimited, retryAt
	case s == http.StatusNotImplemented:
		e.Class = Refused
	case s >= 500, s == http.StatusRequestTimeout, s == http.StatusTooEarly:
		e.Class, e.RetryAt, e.Unclear = Transient, retryAt, k.Write
	case k.Write && saysDuplicate(s, details):
		e.Class, e.Unclear = Duplicate, true
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusProxyAuthRequired:
		e.Class = Denied
	case s == http.StatusNotFound, s == http.StatusGone:
		e.Class = NotFound
	default:
		e.Class = Refused
	}
	if where := resp.Header.Get("Location"); s3xx(resp.StatusCode) && where != "" {
		e.Detail = Clean("redirected to "+where, k.Token)
	}
	return e
}

func s3xx(status int) bool { return status >= 300 && status < 400 }

// saysDuplicate reads the sentences of a refusal, and only to decide that the index must be asked: crates.io, Gitea,
// kellnr and package feeds word it differently. A conflict without a readable sentence counts as well.
func saysDuplicate(status int, details []string) bool {
	switch status {
	case http.StatusConflict:
		if len(details) == 0 {
			return true
		}
	case http.StatusOK, http.StatusBadRequest, http.StatusForbidden, http.StatusUnprocessableEntity:
	default:
		return false
	}
	for _, d := range details {
		d = strings.ToLower(d)
		for _, phrase := range []string{"already uploaded", "already exist", "already contains", "already been published", "already published"} {
			if strings.Contains(d, phrase) {
				return true
			}
		}
	}
	return false
}

// parseDetails reads {"errors":[{"detail":"…"}]}, and what package feeds say instead: {"errors":[{"message":"…"}]},
// {"message":"…"}, {"detail":"…"}. structured reports whether the body was one of them.
func parseDetails(body []byte) (details []string, structured bool) {
	var answer struct {
		Errors *[]struct {
			Detail  *string `json:"detail"`
			Message *string `json:"message"`
		} `json:"errors"`
		Message *string `json:"message"`
		Detail  *string `json:"detail"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil, false
	}
	if answer.Errors != nil {
		for _, e := range *answer.Errors {
			if said := cmp.Or(e.Detail, e.Message); said != nil {
				details = append(details, *said)
			}
		}
		return details, true
	}
	if said := cmp.Or(answer.Message, answer.Detail); said != nil {
		return []string{*said}, true
	}
	return nil, false
}

// ReportsErrors reports whether a body carries an errors array, which makes an answer of any status an error.
func ReportsErrors(body []byte) bool {
	var answer struct {
		Errors *[]struct {
			Detail *string `json:"detail"`
		} `json:"errors"`
	}
	return json.Unmarshal(body, &answer) == nil && answer.Errors != nil
}

const maxDetail = 600

// excerpt shows the start of a body that is not JSON, unless it is a web page.
func excerpt(contentType string, body []byte, token secret.Value) string {
	text := strings.TrimSpace(string(body[:min(len(body), 4*maxDetail)]))
	if strings.Contains(contentType, "html") || strings.HasPrefix(text, "<") {
		return "the answer is a web page, not JSON"
	}
	return Clean(text, token)
}

// Clean makes a foreign text fit for one line of a log: no control or direction characters, single blanks, a length
// limit, and no token, not even one that the registry sent back.
func Clean(s string, token secret.Value) string {
	hide := tokenHider(token)
	s = hide(strings.ToValidUTF8(s, "?"))
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, s)
	s = hide(strings.Join(strings.Fields(s), " "))
	if runes := []rune(s); len(runes) > maxDetail {
		s = string(runes[:maxDetail]) + "…"
	}
	return s
}

// tokenHider returns a func that takes token and its part after the scheme out of a text, in any usual encoding.
func tokenHider(token secret.Value) func(string) string {
	if token.IsZero() {
		return func(s string) string { return s }
	}
	parts := []string{token.Reveal()}
	if _, bare, found := strings.Cut(parts[0], " "); found && bare != "" {
		parts = append(parts, bare)
	}
	var masker secret.Masker
	for _, p := range parts {
		// What is too short to be masked in its encodings is still taken out as it stands.
		_ = masker.Add(secret.New(p))
	}
	return func(s string) string {
		s = masker.Mask(s)
		for _, p := range parts {
			s = strings.ReplaceAll(s, p, secret.Mask)
		}
		return s
	}
}

// maxPause is the longest pause that a registry is believed; a longer one is cut to it.
const maxPause = 7 * 24 * time.Hour

// parseRetryAfter reads the header as seconds or as an HTTP date (RFC 9110, 10.2.3). An instant in the past is now.
func parseRetryAfter(header string, now time.Time) (at time.Time, named bool) {
	header = strings.TrimSpace(header)
	if header == "" {
		return time.Time{}, false
	}
	if seconds, err := strconv.ParseUint(header, 10, 64); err == nil {
		pause := maxPause
		if seconds < uint64(maxPause/time.Second) {
			pause = time.Duration(seconds) * time.Second
		}
		return now.Add(pause), true
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return time.Time{}, false
	}
	if at.Before(now) {
		at = now
	}
	if last := now.Add(maxPause); at.After(last) {
		at = last
	}
	return at, true
}
