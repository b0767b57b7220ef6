package wire

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tagboat/tagboat/internal/secret"
)

const testToken = "Bearer s3cr3t-t0ken-value"

// refusedWith sends a GET and returns the error that must come of it.
func refusedWith(t *testing.T, c *Client, url string) *Error {
	t.Helper()
	_, _, err := c.Read(t.Context(), Call{Op: "read", Method: http.MethodGet, URL: url, Timeout: time.Minute, Limit: 10})
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	return e
}

func TestRedirectsRefused(t *testing.T) {
	requests := 0
	round := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		http.Redirect(w, r, "/again", http.StatusFound)
	}))
	t.Cleanup(round.Close)
	if e := refusedWith(t, New("feed", "test", nil), round.URL); e.Class != Refused || requests != maxRedirects+1 {
		t.Errorf("in a circle: %v after %d requests", e, requests)
	}
	closed := httptest.NewTLSServer(http.RedirectHandler(round.URL, http.StatusFound))
	t.Cleanup(closed.Close)
	if e := refusedWith(t, New("feed", "test", closed.Client()), closed.URL); e.Class != Refused || !strings.Contains(e.Error(), "from https to http") {
		t.Errorf("out of https: %v", e)
	}
	if e := refusedWith(t, New("feed", "test", nil), closed.URL); e.Class != Refused {
		t.Errorf("unknown certificate: %v", e)
	}
}

// The bound holds to the byte, and what was too large is no reason to try again.
func TestReadLimit(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.TrimPrefix(r.URL.Path, "/"))
	}))
	t.Cleanup(server.Close)
	c := New("feed", "test", nil)
	_, body, err := c.Read(t.Context(), Call{Method: http.MethodGet, URL: server.URL + "/0123456789", Timeout: time.Minute, Limit: 10})
	if err != nil || string(body) != "0123456789" {
		t.Errorf("got %q, %v", body, err)
	}
	if e := refusedWith(t, c, server.URL+"/0123456789a"); e.Class != Refused || e.Retryable() {
		t.Errorf("got %v", e)
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Time{
		"0": now, " 120 ": now.Add(2 * time.Minute), "99999999999999": now.Add(maxPause),
		"Fri, 02 Jan 2026 10:10:00 GMT":  now.Add(10 * time.Minute),
		"Friday, 02-Jan-26 10:10:00 GMT": now.Add(10 * time.Minute),
		"Fri, 02 Jan 2025 10:10:00 GMT":  now,
		"Fri, 02 Jan 2099 10:10:00 GMT":  now.Add(maxPause),
	} {
		if got, named := parseRetryAfter(header, now); !named || !got.Equal(want) {
			t.Errorf("parseRetryAfter(%q) = %v, %t, want %v", header, got, named, want)
		}
	}
	for _, header := range []string{"", "soon", "-1", "1.5", "99999999999999999999999"} {
		if got, named := parseRetryAfter(header, now); named {
			t.Errorf("parseRetryAfter(%q) = %v, want none", header, got)
		}
	}
}

func FuzzErrorBody(f *testing.F) {
	f.Add(400, "application/json", []byte(`{"errors":[{"detail":"no `+testToken+`"}]}`))
	f.Add(409, "text/html", []byte("<html>"))
	f.Add(503, "", []byte("\x1b]0;x\a s3cr3t-t0ken-\nvalue"))
	c := New("feed", "test", nil)
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		k := Call{Op: "publish", Token: secret.New(testToken), Write: true}
		e := c.StatusError(k, &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}}, body)
		if strings.Contains(e.Error(), "s3cr3t-t0ken-value") {
			t.Errorf("shows the token: %q", e)
		}
		if strings.ContainsFunc(e.Detail, func(r rune) bool { return unicode.IsControl(r) || r == '\u202e' }) {
			t.Errorf("not fit for a line: %q", e.Detail)
		}
		if _, err := json.Marshal(e.Detail); err != nil || len([]rune(e.Detail)) > maxDetail+1 {
			t.Errorf("detail of %d runes, %v", len([]rune(e.Detail)), err)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Fri, 02 Jan 2026 10:10:00 GMT")
	now := time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, header string) {
		at, named := parseRetryAfter(header, now)
		if named && (at.Before(now) || at.After(now.Add(maxPause))) || !named && !at.IsZero() {
			t.Errorf("parseRetryAfter(%q) = %v, %t", header, at, named)
		}
	})
}
