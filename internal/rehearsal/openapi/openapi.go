// Package openapi holds requests to GitHub's REST API, and the answers to them, against GitHub's own description of that
// API. It proves stand-ins and clients in tests; nothing else links it.
//
// https://github.com/github/rest-api-description
package openapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Validator knows every operation of a description. It is safe for concurrent use once Ignore is set.
type Validator struct {
	// Ignore reports whether a request is none of the API, for instance one of git or of a storage host that the same
	// server plays. Nil ignores nothing: a path that no operation has is reported.
	Ignore func(*http.Request) bool

	router routers.Router
}

// Load reads a description (OpenAPI 3.0, JSON). GitHub's takes about two seconds and 180 MB.
func Load(path string) (*Validator, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("read API description %s: %w", path, err)
	}
	prepare(doc)
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("read API description %s: %w", path, err)
	}
	return &Validator{router: router}, nil
}

// prepare makes the description match by path alone, whatever the host is called: uploads have a host of their own, and
// stand-ins listen on loopback. Parameters that may hold slashes (refs, file paths) are marked by an extension that the
// router does not know.
func prepare(doc *openapi3.T) {
	doc.Servers = nil
	paths := openapi3.NewPathsWithCapacity(doc.Paths.Len())
	for _, path := range doc.Paths.Keys() {
		item := doc.Paths.Value(path)
		item.Servers = nil
		for _, op := range item.Operations() {
			op.Servers = nil
			for _, p := range op.Parameters {
				if p.Value != nil && p.Value.In == openapi3.ParameterInPath && p.Value.Extensions["x-multi-segment"] == true {
					path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", "{"+p.Value.Name+":.+}")
				}
			}
		}
		paths.Set(path, item)
	}
	doc.Paths = paths
}

// Wrap returns a handler that passes everything on to next and reports, one error each, a request that the description
// does not allow and an answer that it does not describe. Error answers count only where the description has their
// status. The bytes of an uploaded asset are passed through unread. Paths may start with the prefixes of an Enterprise
// Server, /api/v3 and /api/uploads, or with /uploads, which stands for GitHub's host of that name. report is called from the goroutine of the request.
func (v *Validator) Wrap(next http.Handler, report func(error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v.Ignore != nil && v.Ignore(r) {
			next.ServeHTTP(w, r)
			return
		}
		x := exchange{validator: v, name: r.Method + " " + r.URL.RequestURI()}
		if err := x.request(r); err != nil {
			report(fmt.Errorf("%s: request: %w", x.name, err))
		}
		rec := &recorder{ResponseWriter: w}
		next.ServeHTTP(rec, r)
		if err := x.response(r.Context(), rec); err != nil {
			report(fmt.Errorf("%s: answer %d: %w", x.name, rec.code(), err))
		}
	})
}

// exchange is one request with its answer. input stays nil where the description has no such operation.
type exchange struct {
	validator *Validator
	name      string
	input     *openapi3filter.RequestValidationInput
}

func (x *exchange) request(r *http.Request) error {
	seen := r.Clone(r.Context())
	for _, prefix := range []string{"/api/v3", "/api/uploads", "/uploads"} {
		if strings.HasPrefix(seen.URL.Path, prefix+"/") {
			seen.URL.Path = strings.TrimPrefix(seen.URL.Path, prefix)
			seen.URL.RawPath = strings.TrimPrefix(seen.URL.RawPath, prefix)
		}
	}
	route, params, err := x.validator.router.FindRoute(seen)
	if err != nil {
		return fmt.Errorf("the API has no such operation: %w", err)
	}
	upload := binary(route.Operation)
	if upload {
		seen.Body = nil
	} else if err := share(r, seen); err != nil {
		return err
	}
	options := &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, ExcludeRequestBody: upload,
	}
	options.WithCustomSchemaErrorFunc(brief)
	x.input = &openapi3filter.RequestValidationInput{Request: seen, PathParams: params, Route: route, Options: options}
	if err := openapi3filter.ValidateRequest(r.Context(), x.input); err != nil {
		return err
	}
	if upload {
		return declared(r)
	}
	return unknown(seen, route.Operation)
}

// brief says where a value is wrong and why, without the whole value and its whole schema.
func brief(e *openapi3.SchemaError) string {
	at := "/" + strings.Join(e.JSONPointer(), "/")
	var inner *openapi3.SchemaError
	if errors.As(e.Origin, &inner) {
		return fmt.Sprintf("%s: %s: %s", at, e.Reason, brief(inner))
	}
	switch e.Value.(type) {
	case string, float64, bool:
		return fmt.Sprintf("%s: %s, got %.100q", at, e.Reason, fmt.Sprint(e.Value))
	}
	return fmt.Sprintf("%s: %s", at, e.Reason)
}

// share lets the validator and the handler each read the body.
func share(r, seen *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(data))
	seen.Body = io.NopCloser(bytes.NewReader(data))
	seen.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return nil
}

func binary(op *openapi3.Operation) bool {
	return op.RequestBody != nil && op.RequestBody.Value != nil && op.RequestBody.Value.Content["application/octet-stream"] != nil
}

// declared checks what GitHub's text asks of an upload and its schema cannot say.
func declared(r *http.Request) error {
	if r.ContentLength < 0 {
		return fmt.Errorf("upload without Content-Length")
	}
	if r.Header.Get("Content-Type") == "" {
		return fmt.Errorf("upload without Content-Type")
	}
	return nil
}

// unknown finds misspelt names: query parameters and top-level fields of the body that the operation does not have. A
// schema that says nothing of further fields allows them, and GitHub ignores or refuses them.
func unknown(r *http.Request, op *openapi3.Operation) error {
	for name := range r.URL.Query() {
		if op.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil {
			return fmt.Errorf("unknown query parameter %q", name)
		}
	}
	if op.RequestBody == nil || op.RequestBody.Value == nil || r.GetBody == nil {
		return nil
	}
	media := op.RequestBody.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil || len(media.Schema.Value.Properties) == 0 {
		return nil
	}
	body, err := r.GetBody()
	if err != nil {
		return fmt.Errorf("read body again: %w", err)
	}
	var fields map[string]json.RawMessage
	if json.NewDecoder(body).Decode(&fields) != nil {
		return nil // not an object; the schema has the say
	}
	for name := range fields {
		if media.Schema.Value.Properties[name] == nil {
			return fmt.Errorf("unknown field %q", name)
		}
	}
	return nil
}

func (x *exchange) response(ctx context.Context, rec *recorder) error {
	if x.input == nil || rec.hijacked || rec.overflow {
		return nil
	}
	status := rec.code()
	described := x.input.Route.Operation.Responses.Status(status)
	if described == nil || described.Value == nil {
		if status >= 400 {
			return nil
		}
		return fmt.Errorf("the operation has no answer with this status, only %s", strings.Join(statuses(x.input.Route.Operation), ", "))
	}
	if len(described.Value.Content) == 0 && rec.body.Len() > 0 && status < 300 {
		return fmt.Errorf("the operation has no body with this status, got %d bytes", rec.body.Len())
	}
	options := *x.input.Options
	if !isJSON(rec.Header().Get("Content-Type")) && described.Value.Content.Get(rec.Header().Get("Content-Type")) != nil {
		options.ExcludeResponseBody = true // a described type that is no JSON has no shape to hold it to
	}
	return openapi3filter.ValidateResponse(ctx, &openapi3filter.ResponseValidationInput{
		RequestValidationInput: x.input, Status: status, Header: rec.Header(),
		Body: io.NopCloser(bytes.NewReader(rec.body.Bytes())), Options: &options,
	})
}

func isJSON(mediaType string) bool {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

func statuses(op *openapi3.Operation) []string {
	keys := op.Responses.Keys()
	slices.Sort(keys)
	return keys
}
