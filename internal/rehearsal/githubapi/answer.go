package githubapi

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// maxBody bounds what a JSON request may hold; GitHub's own bound for release bodies and refs is far below.
const maxBody = 10 << 20

// Object is a JSON object.
type Object = map[string]any

// Call is one request on its way through.
type Call struct {
	*http.Request
	W      http.ResponseWriter
	Params map[string]string // of the route's pattern, unescaped
	Token  string            // "" without credentials
	URLs   URLs

	route *Route
	perms Permissions
	all   bool // the token may do everything
}

// URLs are the addresses of one repository as the caller reaches this server.
type URLs struct{ API, Repo, Uploads, HTML, Storage string }

// URLsAt returns the addresses below a root such as "https://host", where the API has a prefix: "" or "/api/v3".
func (s *Site) URLsAt(root, prefix string) URLs {
	name := "/" + s.Owner + "/" + s.Repo
	api := root + prefix
	return URLs{API: api, Repo: api + "/repos" + name, Uploads: root + "/uploads/repos" + name, HTML: root + name, Storage: root + "/storage" + name}
}

// Reply is one answer as data; it is written after the lock is given back.
type Reply struct {
	Status int
	Body   any // marshalled as JSON; nil is no body, []byte goes out as it is
	Header map[string]string
	Stream func() // writes the answer itself; excludes the rest
}

// ServeHTTP is the door: route, credentials, limits, then the operation.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	prefix := ""
	if strings.HasPrefix(r.URL.Path, "/api/") {
		prefix = "/api/v3"
	}
	found, params := s.find(r)
	c := &Call{Request: r, W: w, Params: params, route: found, URLs: s.URLsAt(scheme+"://"+r.Host, prefix)}
	w.Header().Set("X-Github-Request-Id", requestID())
	w.Header().Set("Server", "github.com")
	rep := s.admit(c)
	if rep.Status == 0 {
		rep = s.perform(c)
	}
	c.write(rep)
}

func (s *Site) perform(c *Call) Reply {
	if c.route.Streams {
		return c.route.Do(c)
	}
	if c.Body != nil && c.Method != http.MethodGet { // a body that stalls must not stall the others
		b, err := io.ReadAll(io.LimitReader(c.Body, maxBody))
		if err != nil {
			return Fail(http.StatusBadRequest, "Problems parsing JSON")
		}
		c.Request.Body = io.NopCloser(bytes.NewReader(b))
	}
	s.Mu.Lock()
	defer s.Mu.Unlock()
	return c.route.Do(c)
}

func requestID() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%X:%X:%X", b[:2], b[2:6], b[6:])
}

func (c *Call) write(rep Reply) {
	if rep.Stream != nil {
		rep.Stream()
		return
	}
	h := c.W.Header()
	for k, v := range rep.Header {
		h.Set(k, v)
	}
	raw, isRaw := rep.Body.([]byte)
	if rep.Body != nil && !isRaw {
		b, err := json.Marshal(rep.Body)
		if err != nil {
			rep.Status, b = http.StatusInternalServerError, []byte(`{"message":"Server Error"}`)
		}
		raw = b
		h.Set("Content-Type", "application/json; charset=utf-8")
		h.Set("X-Github-Media-Type", "github.v3; format=json")
	}
	if rep.Status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(raw)))
	}
	c.W.WriteHeader(rep.Status)
	if c.Method != http.MethodHead {
		_, _ = c.W.Write(raw) // the caller has gone: nobody is left to tell
	}
}

// OK is 200.
func OK(body any) Reply { return Reply{Status: http.StatusOK, Body: body} }

// Created is 201.
func Created(body any) Reply { return Reply{Status: http.StatusCreated, Body: body} }

// NoContent is 204.
func NoContent() Reply { return Reply{Status: http.StatusNoContent} }

const docs = "https://docs.github.com/rest"

// Fail is an error answer.
func Fail(status int, message string) Reply {
	return Reply{Status: status, Body: Object{"message": message, "documentation_url": docs, "status": strconv.Itoa(status)}}
}

// NotFound is what GitHub says of what does not exist, and of what the caller must not know about.
func NotFound() Reply { return Fail(http.StatusNotFound, "Not Found") }

// Unprocessable is 422 with a sentence.
func Unprocessable(message string) Reply { return Fail(http.StatusUnprocessableEntity, message) }

// Invalid is GitHub's "Validation Failed" for one field. Message is only set where code is "custom".
func Invalid(resource, code, field, message string) Reply {
	e := Object{"resource": resource, "code": code, "field": field}
	if message != "" {
		e["message"] = message
	}
	rep := Unprocessable("Validation Failed")
	rep.Body.(Object)["errors"] = []Object{e}
	return rep
}

// Trouble answers for an error of the store: what is missing is 404, the rest is the server's fault.
func Trouble(err error) Reply {
	if errors.Is(err, gitstore.ErrNotFound) {
		return NotFound()
	}
	return Fail(http.StatusInternalServerError, "Server Error: "+err.Error())
}

// OrTrouble is the reply, or the answer for the error if there is one.
func OrTrouble(rep Reply, err error) Reply {
	if err != nil {
		return Trouble(err)
	}
	return rep
}

// Decode reads the JSON body strictly enough to find wrong types, as GitHub does; unknown fields pass.
func (c *Call) Decode(into any) (Reply, bool) {
	err := json.NewDecoder(c.Body).Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return Reply{}, true
	case errors.As(err, &wrong):
		return Unprocessable(fmt.Sprintf("Invalid request.\n\nFor 'properties/%s', %s is not a %s.", wrong.Field, wrong.Value, wrong.Type)), false
	}
	return Fail(http.StatusBadRequest, "Problems parsing JSON"), false
}

// Page cuts a list to the requested page and names its neighbours in a Link header.
func Page[T any](c *Call, list []T) ([]T, map[string]string) {
	q := c.URL.Query()
	size, n := int(Number(q.Get("per_page"))), int(Number(q.Get("page")))
	if size < 1 {
		size = 30
	}
	size, n = min(size, 100), max(n, 1)
	last := max(1, (len(list)+size-1)/size)
	from := min((n-1)*size, len(list))
	var links []string
	link := func(rel string, target int) {
		q.Set("page", strconv.Itoa(target))
		links = append(links, fmt.Sprintf(`<%s?%s>; rel=%q`, c.self(), q.Encode(), rel))
	}
	if n > 1 {
		link("prev", n-1)
	}
	if n < last {
		link("next", n+1)
		link("last", last)
	}
	if n > 1 {
		link("first", 1)
	}
	var header map[string]string
	if links != nil {
		header = map[string]string{"Link": strings.Join(links, ", ")}
	}
	return list[from:min(from+size, len(list))], header
}

// self is the address of the request without its query.
func (c *Call) self() string {
	root := strings.TrimSuffix(c.URLs.API, "/api/v3")
	return root + c.URL.EscapedPath()
}

// Escape makes a ref, tag or path fit for a URL; slashes stay.
func Escape(s string) string { return (&url.URL{Path: s}).EscapedPath() }

// Stamp is a time as JSON has it.
func Stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// StampOrNull is null for the zero time.
func StampOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return Stamp(t)
}

// NodeID makes a global id.
func NodeID(kind string, id any) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%v", kind, id))
}
