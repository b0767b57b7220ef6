package openapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// Examples returns a handler that answers every operation with the lowest successful status of the description and that
// answer's own example: the one that the header "Prefer: example=NAME" asks for, or the first by name. It holds no state:
// it is for clients that want to read what GitHub says it writes.
func (v *Validator) Examples() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var x exchange
		x.validator = v
		if err := x.request(r); x.input == nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		op := x.input.Route.Operation
		for _, key := range statuses(op) {
			status, err := strconv.Atoi(key)
			if err != nil || status < 200 || status > 299 {
				continue
			}
			prefer, _ := strings.CutPrefix(r.Header.Get("Prefer"), "example=")
			answer(w, status, op.Responses.Status(status).Value.Content.Get("application/json"), prefer)
			return
		}
		http.Error(w, "no successful answer is described", http.StatusNotImplemented)
	})
}

func answer(w http.ResponseWriter, status int, media *openapi3.MediaType, prefer string) {
	if media == nil {
		w.WriteHeader(status)
		return
	}
	example := media.Example
	names := make([]string, 0, len(media.Examples))
	for name := range media.Examples {
		names = append(names, name)
	}
	slices.Sort(names)
	if slices.Contains(names, prefer) {
		names = []string{prefer}
	}
	if example == nil && len(names) > 0 && media.Examples[names[0]].Value != nil {
		example = media.Examples[names[0]].Value.Value
	}
	body, err := json.Marshal(example)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body)
}
