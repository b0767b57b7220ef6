package fault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Wrap returns a handler that lets the set's faults happen to the requests of service before next sees them. Op names
// a request's operation, its argument after one space, and leaves the body readable from the start.
//
// A dropped connection is closed without an answer. Go's and cargo's HTTP clients repeat a GET on their own after
// that; a fault that must be seen there says "every" or refuses.
func (s *Set) Wrap(service string, op func(*http.Request) string, next http.Handler) http.Handler {
	if s == nil || !s.concerns(service) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := s.judge(service, op(r), r.Header.Get("Authorization"))
		if v.delay > 0 && !delay(r, v.delay) {
			panic(http.ErrAbortHandler)
		}
		if v.action == nil {
			next.ServeHTTP(w, r)
			return
		}
		s.perform(*v.action, service, next)(w, r)
	})
}

// concerns reports whether any fault can act on a call of service.
func (s *Set) concerns(service string) bool {
	for _, f := range s.faults {
		if f.Step == "" && f.Action != Lag && (f.Service == "" || f.Service == service) {
			return true
		}
	}
	return false
}

// perform returns the handler that does what the fault says. Cutting a connection is panicking with ErrAbortHandler:
// the server then closes it without an answer, whatever kind of connection it is.
func (s *Set) perform(f Spec, service string, next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch f.Action {
		case Refuse:
			refuse(w, service, f.Status, f.RetryAfter)
		case AcceptThen:
			next.ServeHTTP(&swallow{header: http.Header{}}, r)
			if f.Status == 0 {
				panic(http.ErrAbortHandler)
			}
			refuse(w, service, f.Status, 0)
		case Expire:
			expired(w, service)
		case Die, DieAfter:
			if f.Action == DieAfter {
				next.ServeHTTP(&swallow{header: http.Header{}}, r)
			}
			if s.OnDie != nil {
				s.OnDie()
			}
			panic(http.ErrAbortHandler)
		default:
			panic(http.ErrAbortHandler)
		}
	}
}

// maxAhead is how much of a request is read before a delay.
const maxAhead = 32 << 20

// delay waits for d and reports whether the client is still there. It reads the body first: only then does a server
// notice that a client has gone, and a service that is slow has usually read the request too.
func delay(r *http.Request, d time.Duration) bool {
	ahead, err := io.ReadAll(io.LimitReader(r.Body, maxAhead))
	if err != nil {
		return false
	}
	r.Body = &resumed{io.MultiReader(bytes.NewReader(ahead), r.Body), r.Body}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// resumed is a body of which the start was read before.
type resumed struct {
	io.Reader
	io.Closer
}

// swallow is a ResponseWriter for an answer that nobody gets.
type swallow struct{ header http.Header }

func (s *swallow) Header() http.Header         { return s.header }
func (s *swallow) Write(b []byte) (int, error) { return len(b), nil }
func (s *swallow) WriteHeader(int)             {}

// refuse answers as the service would: what fails in front of it (5xx) is a proxy's page, the rest is its own JSON.
func refuse(w http.ResponseWriter, service string, status int, retryAfter time.Duration) {
	if status >= 500 {
		if retryAfter > 0 {
			w.Header().Set("Retry-After", seconds(retryAfter))
		}
		text := fmt.Sprintf("%d %s", status, http.StatusText(status))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html><head><title>%s</title></head><body><h1>%s</h1></body></html>\n", text, text)
		return
	}
	if service == GitHub {
		refuseGitHub(w, status, retryAfter)
		return
	}
	detail := http.StatusText(status)
	if retryAfter > 0 {
		// The sentence and the date are those of crates.io, see https://crates.io/docs/rate-limits.
		at := time.Now().Add(retryAfter).UTC().Format(http.TimeFormat)
		w.Header().Set("Retry-After", at)
		detail = "You have published too many updates to existing crates in a short period of time. Please try again after " +
			at + " and see https://crates.io/docs/rate-limits for more details."
	}
	registryError(w, status, detail)
}

// refuseGitHub answers 403 and 429 with a pause as the secondary rate limit, see
// https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api.
func refuseGitHub(w http.ResponseWriter, status int, retryAfter time.Duration) {
	body := map[string]string{
		"message":           http.StatusText(status),
		"documentation_url": "https://docs.github.com/rest",
		"status":            strconv.Itoa(status),
	}
	if retryAfter > 0 {
		w.Header().Set("Retry-After", seconds(retryAfter))
		body["message"] = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
		body["documentation_url"] = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"
	}
	writeJSON(w, status, body)
}

// expired answers as the service does for a token that no longer works.
func expired(w http.ResponseWriter, service string) {
	switch service {
	case GitHub:
		writeJSON(w, http.StatusUnauthorized, map[string]string{
			"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest", "status": "401",
		})
	case "crates-io":
		registryError(w, http.StatusForbidden, "authentication failed")
	default:
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	}
}

func registryError(w http.ResponseWriter, status int, detail string) {
	type one struct {
		Detail string `json:"detail"`
	}
	writeJSON(w, status, map[string][]one{"errors": {{detail}}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone; there is nobody to tell
}

// seconds is d in whole seconds, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
