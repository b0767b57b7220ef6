package githubtwin

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

// object is a JSON object.
type object = map[string]any

// call is one request on its way through.
type call struct {
	*http.Request
	w      http.ResponseWriter
	params map[string]string
	route  *route
	token  string
	perms  Permissions
	all    bool // the token may do everything
	urls   urls
}

// urls are the addresses of one repository as the caller reaches this server.
type urls struct{ api, repo, uploads, html, storage string }

func (t *Twin) urlsAt(root string, aliased bool) urls {
	name := "/" + t.cfg.Owner + "/" + t.cfg.Repo
	api := root
	if aliased {
		api += "/api/v3"
	}
	return urls{api: api, repo: api + "/repos" + name, uploads: root + "/uploads/repos" + name, html: root + name, storage: root + "/storage" + name}
}

// reply is one answer as data; it is written after the lock is given back.
type reply struct {
	status int
	body   any // marshalled as JSON; nil is no body, []byte goes out as it is
	header map[string]string
	stream func() // writes the answer itself; excludes the rest
}

// serve is the door: route, credentials, limits, then the operation.
func (t *Twin) serve(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	found, params := t.find(r)
	c := &call{Request: r, w: w, params: params, route: found, urls: t.urlsAt(scheme+"://"+r.Host, strings.HasPrefix(r.URL.Path, "/api/"))}
	w.Header().Set("X-Github-Request-Id", requestID())
	w.Header().Set("Server", "github.com")
	rep := t.admit(c)
	if rep.status == 0 {
		rep = t.perform(c)
	}
	c.write(rep)
}

func (t *Twin) perform(c *call) reply {
	if c.route.streams {
		return c.route.do(c)
	}
	if c.Body != nil && c.Method != http.MethodGet { // a body that stalls must not stall the others
		b, err := io.ReadAll(io.LimitReader(c.Body, maxBody))
		if err != nil {
			return fail(http.StatusBadRequest, "Problems parsing JSON")
		}
		c.Request.Body = io.NopCloser(bytes.NewReader(b))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return c.route.do(c)
}

func requestID() string {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%X:%X:%X", b[:2], b[2:6], b[6:])
}

func (c *call) write(rep reply) {
	if rep.stream != nil {
		rep.stream()
		return
	}
	h := c.w.Header()
	for k, v := range rep.header {
		h.Set(k, v)
	}
	raw, isRaw := rep.body.([]byte)
	if rep.body != nil && !isRaw {
		b, err := json.Marshal(rep.body)
		if err != nil {
			rep.status, b = http.StatusInternalServerError, []byte(`{"message":"Server Error"}`)
		}
		raw = b
		h.Set("Content-Type", "application/json; charset=utf-8")
		h.Set("X-Github-Media-Type", "github.v3; format=json")
	}
	if rep.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(raw)))
	}
	c.w.WriteHeader(rep.status)
	if c.Method != http.MethodHead {
		_, _ = c.w.Write(raw) // the caller has gone: nobody is left to tell
	}
}

func ok(body any) reply      { return reply{status: http.StatusOK, body: body} }
func created(body any) reply { return reply{status: http.StatusCreated, body: body} }

func noContent() reply { return reply{status: http.StatusNoContent} }

const docs = "https://docs.github.com/rest"

func fail(status int, message string) reply {
	return reply{status: status, body: object{"message": message, "documentation_url": docs, "status": strconv.Itoa(status)}}
}

func notFound() reply { return fail(http.StatusNotFound, "Not Found") }

func unprocessable(message string) reply { return fail(http.StatusUnprocessableEntity, message) }

// invalid is GitHub's "Validation Failed" for one field. Message is only set where code is "custom".
func invalid(resource, code, field, message string) reply {
	e := object{"resource": resource, "code": code, "field": field}
	if message != "" {
		e["message"] = message
	}
	rep := unprocessable("Validation Failed")
	rep.body.(object)["errors"] = []object{e}
	return rep
}

// trouble answers for an error of the store: what is missing is 404, the rest is the server's fault.
func trouble(err error) reply {
	if errors.Is(err, gitstore.ErrNotFound) {
		return notFound()
	}
	return fail(http.StatusInternalServerError, "Server Error: "+err.Error())
}

// decode reads the JSON body strictly enough to find wrong types, as GitHub does; unknown fields pass.
func (c *call) decode(into any) (reply, bool) {
	err := json.NewDecoder(c.Body).Decode(into)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return reply{}, true
	case errors.As(err, &wrong):
		return unprocessable(fmt.Sprintf("Invalid request.\n\nFor 'properties/%s', %s is not a %s.", wrong.Field, wrong.Value, wrong.Type)), false
	}
	return fail(http.StatusBadRequest, "Problems parsing JSON"), false
}

// page cuts a list to the requested page and names its neighbours in a Link header.
func page[T any](c *call, list []T) ([]T, map[string]string) {
	q := c.URL.Query()
	size, n := int(number(q.Get("per_page"))), int(number(q.Get("page")))
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
func (c *call) self() string {
	root := strings.TrimSuffix(c.urls.api, "/api/v3")
	return root + c.URL.EscapedPath()
}

// escape makes a ref, tag or path fit for a URL; slashes stay.
func escape(s string) string { return (&url.URL{Path: s}).EscapedPath() }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// stampOrNull is null for the zero time.
func stampOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}

func nodeID(kind string, id any) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%v", kind, id))
}
