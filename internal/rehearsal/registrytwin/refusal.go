package registrytwin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// refusal is an answer other than success. Detail is the sentence that cargo shows.
type refusal struct {
	status     int
	detail     string
	plain      bool // the body is the sentence alone, whatever the manners
	retryAfter time.Time
	typeKey    string // Azure's name of the exception
}

func refusef(status int, format string, args ...any) *refusal {
	return &refusal{status: status, detail: fmt.Sprintf(format, args...)}
}

func bad(format string, args ...any) *refusal { return refusef(http.StatusBadRequest, format, args...) }

const noUserAgent = "We require that all requests include a `User-Agent` header.  To allow us to determine the impact " +
	"your bot has on our service, we ask that your user agent actually identify your bot, and not just report the HTTP " +
	"client library you're using.  Including contact information will also reduce the chance that we will need to take " +
	"action against your bot.\n"

// refuse writes the refusal in the shape that the manners give it.
func (t *Twin) refuse(w http.ResponseWriter, r *http.Request, e *refusal) {
	if !e.retryAfter.IsZero() {
		w.Header().Set("Retry-After", e.retryAfter.UTC().Format(http.TimeFormat))
	}
	if c := t.config.Manners.challenge(); e.status == http.StatusUnauthorized && c != "" {
		w.Header().Set("WWW-Authenticate", c)
	}
	index := routeOf(r.Method, r.URL.Path)
	body := t.config.Manners.shape(e)
	if body == nil || e.plain || index.operation == "index" || index.operation == "config" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(e.status)
		fmt.Fprintln(w, e.detail)
		return
	}
	writeJSON(w, e.status, body)
}

type detail struct {
	Detail string `json:"detail"`
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(body) // the client may be gone; there is nobody to tell
}
