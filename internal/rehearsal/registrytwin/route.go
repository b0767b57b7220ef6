package registrytwin

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/cratestore"
)

// route is what a request asks for. The operation is "unknown" where the registry has nothing at the path.
type route struct{ operation, crate, version string }

func routeOf(method, path string) route {
	if rest, ok := strings.CutPrefix(path, "/index/"); ok {
		if method != http.MethodGet && method != http.MethodHead {
			return route{operation: "unknown"}
		}
		if rest == "config.json" {
			return route{operation: "config"}
		}
		name := rest[strings.LastIndexByte(rest, '/')+1:]
		if name == "" || cratestore.IndexPath(name) != rest {
			return route{operation: "unknown"}
		}
		return route{operation: "index", crate: name}
	}
	if path == trustedPath {
		return route{operation: map[string]string{http.MethodPost: "exchange", http.MethodDelete: "revoke"}[method]}.orUnknown()
	}
	rest, ok := strings.CutPrefix(path, "/api/v1/crates")
	if !ok {
		return route{operation: "unknown"}
	}
	return apiRoute(method, strings.Split(strings.Trim(rest, "/"), "/"))
}

// trustedPath is where trusted publishing is.
const trustedPath = "/api/v1/trusted_publishing/tokens"

func (r route) orUnknown() route {
	if r.operation == "" {
		r.operation = "unknown"
	}
	return r
}

func apiRoute(method string, part []string) route {
	read := method == http.MethodGet || method == http.MethodHead
	switch {
	case len(part) == 1 && part[0] == "" && read:
		return route{operation: "search"}
	case len(part) == 1 && part[0] == "new" && method == http.MethodPut:
		return route{operation: "publish"}
	case len(part) == 1 && part[0] != "" && read:
		return route{operation: "crate", crate: part[0]}
	case len(part) == 2 && part[1] == "owners" && read:
		return route{operation: "owners", crate: part[0]}
	case len(part) == 3 && part[2] == "download" && read:
		return route{operation: "download", crate: part[0], version: part[1]}
	case len(part) == 3 && part[2] == "yank" && method == http.MethodDelete:
		return route{operation: "yank", crate: part[0], version: part[1]}
	case len(part) == 3 && part[2] == "unyank" && method == http.MethodPut:
		return route{operation: "unyank", crate: part[0], version: part[1]}
	}
	return route{operation: "unknown"}
}

// Op names the request's operation for faults: "config", "index CRATE", "publish CRATE", "may-publish" (an upload of
// nothing), "download CRATE", "yank CRATE", "unyank CRATE", "owners CRATE", "crate CRATE", "search", "exchange", "revoke",
// or "unknown". The path is as Handler gets it. The name of an uploaded crate is read from the body, which is afterwards readable from the start.
func Op(r *http.Request) string {
	at := routeOf(r.Method, r.URL.Path)
	if at.operation == "publish" && r.ContentLength == 0 {
		return "may-publish"
	}
	if at.operation == "publish" {
		at.crate = peekName(r)
	}
	return strings.TrimSuffix(at.operation+" "+at.crate, " ")
}

// peekName returns the crate's name in an upload, or "" where the body is no upload. Cargo sends the name first, so
// that usually a few hundred bytes tell.
func peekName(r *http.Request) string {
	if r.Body == nil {
		return ""
	}
	var read bytes.Buffer
	defer func() { r.Body = &rewound{io.MultiReader(&read, r.Body), r.Body} }()
	var prefix [4]byte
	if _, err := io.ReadFull(io.TeeReader(r.Body, &read), prefix[:]); err != nil {
		return ""
	}
	size := min(int64(binary.LittleEndian.Uint32(prefix[:])), maxJSON)
	// The decoder reads in blocks, and everything it reads lands in the buffer.
	return nameIn(json.NewDecoder(io.LimitReader(io.TeeReader(r.Body, &read), size)))
}

// nameIn returns the string member "name" of the object that d reads.
func nameIn(d *json.Decoder) string {
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return ""
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return ""
		}
		if key == "name" {
			var name string
			_ = d.Decode(&name) // what is no string names no crate
			return name
		}
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return ""
		}
	}
	return ""
}

// rewound is a body of which the start was read before.
type rewound struct {
	io.Reader
	io.Closer
}
