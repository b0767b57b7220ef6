package githubapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Route is one operation. Pattern segments in braces are parameters; the last may be {name...}. Needs is the permission as
// x-accepted-github-permissions names it; without one the operation checks for itself. Op and Arg make the operation's
// name for faults and counters. Do runs under Site.Mu unless Streams is set; Arg always runs without it.
type Route struct {
	Method, Pattern, Needs, Op string
	Arg                        func(c *Call) string
	Do                         func(c *Call) Reply
	Streams                    bool
	segments                   []string
}

// find returns the route of a request with its parameters, or nil. The alias prefixes of an Enterprise Server are dropped.
func (s *Site) find(r *http.Request) (*Route, map[string]string) {
	path := r.URL.EscapedPath()
	if rest, ok := strings.CutPrefix(path, "/api/v3/"); ok {
		path = "/" + rest
	} else if rest, ok := strings.CutPrefix(path, "/api/uploads/"); ok {
		path = "/uploads/" + rest
	}
	if path == "/api/graphql" {
		path = "/graphql"
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i := range s.routes {
		if s.routes[i].Method != r.Method && (r.Method != http.MethodHead || s.routes[i].Method != http.MethodGet) {
			continue
		}
		if params, ok := match(s.routes[i].segments, segments); ok && s.mine(params) {
			return &s.routes[i], params
		}
	}
	return nil, nil
}

func (s *Site) mine(params map[string]string) bool {
	owner, has := params["owner"]
	if !has {
		return true
	}
	name := params["repo"]
	if git, ok := params["git"]; ok {
		name = strings.TrimSuffix(git, ".git")
	}
	return strings.EqualFold(owner, s.Owner) && strings.EqualFold(name, s.Repo)
}

func match(pattern, path []string) (map[string]string, bool) {
	params := map[string]string{}
	for i, p := range pattern {
		name, isParam := strings.CutPrefix(p, "{")
		if i >= len(path) || !isParam && path[i] != p {
			return nil, false
		}
		if !isParam {
			continue
		}
		value := path[i]
		name, rest := strings.CutSuffix(strings.TrimSuffix(name, "}"), "...")
		if rest {
			value = strings.Join(path[i:], "/")
		}
		plain, err := url.PathUnescape(value)
		if err != nil || plain == "" {
			return nil, false
		}
		params[name] = plain
		if rest {
			return params, true
		}
	}
	return params, len(pattern) == len(path)
}

// Op names the operation of a request for faults and counters: "get-repo", "create-ref refs/heads/release/v1.0.0",
// "create-release v1.0.0", "upload-asset core-1.0.0.crate", "dispatch release.yml", and so on; "" for what the twin
// does not know. Refs are full names. The request stays usable: a JSON body that was read is put back.
func (s *Site) Op(r *http.Request) string {
	found, params := s.find(r)
	if found == nil {
		return ""
	}
	c := &Call{Request: r, Params: params, route: found}
	if found.Arg == nil {
		return found.Op
	}
	if arg := found.Arg(c); arg != "" {
		return found.Op + " " + arg
	}
	return found.Op
}

// Param names a parameter of the pattern.
func Param(name string) func(*Call) string {
	return func(c *Call) string { return c.Params[name] }
}

// QueryArg names a parameter of the query.
func QueryArg(name string) func(*Call) string {
	return func(c *Call) string { return c.URL.Query().Get(name) }
}

// RefParam names the ref of the request, in full.
func RefParam(c *Call) string { return "refs/" + c.Params["ref"] }

// BodyField names a text field of the JSON body, which stays readable.
func BodyField(name string) func(*Call) string {
	return func(c *Call) string {
		read, err := io.ReadAll(io.LimitReader(c.Body, maxBody))
		c.Request.Body = putBack{io.MultiReader(bytes.NewReader(read), errorReader{err}, c.Body), c.Body}
		var fields map[string]any
		if json.Unmarshal(read, &fields) != nil {
			return ""
		}
		s, _ := fields[name].(string)
		return s
	}
}

// putBack is a body whose beginning was read already.
type putBack struct {
	io.Reader
	io.Closer
}

// errorReader repeats the error that ended an earlier reading, if there was one.
type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	return 0, io.EOF
}

// Number reads an id; what is no number is 0, which nothing has.
func Number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
