// Package cratestore knows crates as registries keep them, for registries that live in the process: what a .crate says,
// whether crates.io would take it, its line in an index, and where to find crates that were published elsewhere.
package cratestore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/semver"
)

// Upstream is where a registry finds what was not published to it.
type Upstream struct {
	// Folders hold .crate files as cargo names them, NAME-VERSION.crate; $CARGO_HOME/registry/cache has one such folder
	// per registry. They are listed once, when the first crate is asked for.
	Folders []string
	// Index is the URL of a sparse index, without "sparse+", that is read through and downloaded from. "" is none.
	Index string
	// HTTP is what Index is read with; nil is a client of its own with a timeout.
	HTTP *http.Client
}

// Version is a version that lies upstream, and its index line with a newline.
type Version struct {
	Name, Number string
	Sum          string // sha256 of the .crate in hex
	Yanked       bool
	Line         []byte
	path         string // of the .crate in a folder; "" comes from the index
}

// Store answers from folders and from a remote index, and remembers the answers for its own lifetime.
type Store struct {
	config Upstream
	cache  *Cache
	http   *http.Client

	list  sync.Once
	files map[string][]string // .crate files by lowercased crate name

	mu       sync.Mutex
	known    map[string][]Version // by lowercased crate name
	template string               // dl of the index's config.json
}

// New returns a store over an upstream. cache is shared by all that read the same files.
func New(c Upstream, cache *Cache) *Store {
	u := &Store{config: c, cache: cache, http: c.HTTP, known: map[string][]Version{}}
	if u.http == nil {
		u.http = &http.Client{Timeout: time.Minute}
	}
	if u.config.Index != "" && !strings.HasSuffix(u.config.Index, "/") {
		u.config.Index += "/"
	}
	return u
}

func (u *Store) empty() bool { return len(u.config.Folders) == 0 && u.config.Index == "" }

// Versions returns the crate's versions upstream. Those in folders come first; the index adds the others.
func (u *Store) Versions(ctx context.Context, name string) ([]Version, error) {
	if u.empty() {
		return nil, nil
	}
	key := strings.ToLower(name)
	u.mu.Lock()
	out, found := u.known[key]
	u.mu.Unlock()
	if found {
		return out, nil
	}
	out = u.inFolders(key)
	remote, err := u.inIndex(ctx, key)
	if err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, v := range out {
		have[v.Number] = true
	}
	for _, v := range remote {
		if !have[v.Number] {
			out = append(out, v)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.known[key] = out
	return out, nil
}

// Knows reports whether Versions has found the crate under exactly that name before.
func (u *Store) Knows(name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	found := u.known[strings.ToLower(name)]
	return len(found) > 0 && found[0].Name == name
}

// inFolders reads the crate's files. A file that is no .crate, or another than its name says, is passed over: the
// folder is somebody's cache.
func (u *Store) inFolders(key string) []Version {
	u.list.Do(u.listFolders)
	var out []Version
	for _, path := range u.files[key] {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		sum := sha256.Sum256(b)
		r, err := u.cache.Read(sum, b)
		if err != nil || r.Name+"-"+r.Version+".crate" != filepath.Base(path) {
			continue
		}
		checksum := hex.EncodeToString(sum[:])
		text, err := r.CratesIOLine(checksum, time.Time{}).Encode()
		if err != nil {
			continue
		}
		out = append(out, Version{Name: r.Name, Number: r.Version, Sum: checksum, Line: text, path: path})
	}
	return out
}

func (u *Store) listFolders() {
	u.files = map[string][]string{}
	seen := map[string]bool{}
	for _, folder := range u.config.Folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			continue
		}
		for _, e := range entries {
			name, ok := crateOfFile(e.Name())
			if ok && !seen[e.Name()] {
				seen[e.Name()] = true
				u.files[strings.ToLower(name)] = append(u.files[strings.ToLower(name)], filepath.Join(folder, e.Name()))
			}
		}
	}
}

// crateOfFile returns the crate's name in "NAME-VERSION.crate". A name may hold hyphens and digits; the version is what
// follows the first hyphen after which a version can be read.
func crateOfFile(file string) (string, bool) {
	stem, ok := strings.CutSuffix(file, ".crate")
	if !ok {
		return "", false
	}
	for i := range len(stem) {
		if stem[i] != '-' || i == 0 {
			continue
		}
		if _, err := semver.Parse(stem[i+1:]); err == nil {
			return stem[:i], true
		}
	}
	return "", false
}

// The sizes that are read from a remote registry at most.
const (
	maxIndexFile = 64 << 20
	maxDownload  = 500 << 20
)

func (u *Store) inIndex(ctx context.Context, key string) ([]Version, error) {
	if u.config.Index == "" {
		return nil, nil
	}
	body, found, err := u.get(ctx, u.config.Index+IndexPath(key), maxIndexFile)
	if err != nil || !found {
		return nil, err
	}
	var out []Version
	for text := range bytes.Lines(body) {
		var l struct {
			Name     string `json:"name"`
			Version  string `json:"vers"`
			Checksum string `json:"cksum"`
			Yanked   bool   `json:"yanked"`
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("index file of %s at %s: %w", key, u.config.Index, err)
		}
		text = append(bytes.TrimRight(text, "\r\n"), '\n')
		out = append(out, Version{Name: l.Name, Number: l.Version, Sum: l.Checksum, Yanked: l.Yanked, Line: text})
	}
	return out, nil
}

// get reads a URL of the upstream registry. The statuses with which an index says that it has no such crate are found =
// false.
func (u *Store) get(ctx context.Context, address string, limit int64) (body []byte, found bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", address, err)
	}
	req.Header.Set("User-Agent", "tagboat (https://github.com/tagboat/tagboat)")
	resp, err := u.http.Do(req)
	if err != nil {
		return nil, false, fmt.Errorf("read upstream: %w", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusGone, http.StatusUnavailableForLegalReasons:
		return nil, false, nil
	default:
		return nil, false, fmt.Errorf("read %s: %s", address, resp.Status)
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", address, err)
	}
	if int64(len(body)) > limit {
		return nil, false, fmt.Errorf("read %s: more than %d bytes", address, limit)
	}
	return body, true, nil
}

// Download returns the .crate of an upstream version, checked against its checksum.
func (u *Store) Download(ctx context.Context, name, number string) (b []byte, found bool, err error) {
	all, err := u.Versions(ctx, name)
	if err != nil {
		return nil, false, err
	}
	for _, v := range all {
		if v.Number != number || !strings.EqualFold(v.Name, name) {
			continue
		}
		if v.path != "" {
			b, err = os.ReadFile(v.path)
		} else {
			b, found, err = u.fetch(ctx, v)
			if err == nil && !found {
				return nil, false, nil
			}
		}
		if err != nil {
			return nil, false, fmt.Errorf("download %s %s from upstream: %w", name, number, err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != v.Sum {
			return nil, false, fmt.Errorf("download %s %s from upstream: sha256 is %x, want %s", name, number, sum, v.Sum)
		}
		return b, true, nil
	}
	return nil, false, nil
}

// fetch downloads from where the upstream index's config.json says.
func (u *Store) fetch(ctx context.Context, v Version) ([]byte, bool, error) {
	u.mu.Lock()
	template := u.template
	u.mu.Unlock()
	if template == "" {
		body, found, err := u.get(ctx, u.config.Index+"config.json", 1<<20)
		if err != nil || !found {
			return nil, false, err
		}
		var config struct {
			Download string `json:"dl"`
		}
		if err := json.Unmarshal(body, &config); err != nil || config.Download == "" {
			return nil, false, fmt.Errorf("config.json of %s has no dl", u.config.Index)
		}
		template = config.Download
		u.mu.Lock()
		u.template = template
		u.mu.Unlock()
	}
	return u.get(ctx, expand(template, v), maxDownload)
}

// expand fills in the markers of a dl template, or appends the path where it has none
// (https://doc.rust-lang.org/cargo/reference/registry-index.html#index-configuration).
func expand(template string, v Version) string {
	if !strings.Contains(template, "{") {
		return template + "/" + url.PathEscape(v.Name) + "/" + url.PathEscape(v.Number) + "/download"
	}
	prefix := func(name string) string {
		path := IndexPath(name)
		path = path[:strings.LastIndexByte(path, '/')]
		return path
	}
	upper := prefix(v.Name)
	if len(v.Name) > 3 {
		upper = v.Name[:2] + "/" + v.Name[2:4]
	} else if len(v.Name) == 3 {
		upper = "3/" + v.Name[:1]
	}
	return strings.NewReplacer("{crate}", v.Name, "{version}", v.Number, "{prefix}", upper,
		"{lowerprefix}", prefix(v.Name), "{sha256-checksum}", v.Sum).Replace(template)
}

// IndexPath is where the index keeps the crate's file; the name is lowercased.
func IndexPath(name string) string {
	name = strings.ToLower(name)
	switch len(name) {
	case 1:
		return "1/" + name
	case 2:
		return "2/" + name
	case 3:
		return "3/" + name[:1] + "/" + name
	}
	return name[:2] + "/" + name[2:4] + "/" + name
}
