package registrytwin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/semver"
)

// base is the twin's URL as the client of the request sees it.
func (t *Twin) base(r *http.Request) string {
	if t.config.URL != "" {
		return t.config.URL
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	// Where the handler is mounted below a prefix, the request line still has it.
	full, _, _ := strings.Cut(r.RequestURI, "?")
	return scheme + r.Host + strings.TrimSuffix(full, r.URL.EscapedPath())
}

func (t *Twin) serveConfig(w http.ResponseWriter, r *http.Request) *refusal {
	base := t.base(r)
	type config struct {
		Download     string `json:"dl"`
		API          string `json:"api"`
		AuthRequired bool   `json:"auth-required,omitempty"`
	}
	writeJSON(w, http.StatusOK, config{base + "/api/v1/crates", base, t.config.AuthRequired})
	return nil
}

// serveIndex serves a crate's index file: what lies upstream, then what was published here and is visible by now.
func (t *Twin) serveIndex(w http.ResponseWriter, r *http.Request, at route, who identity) *refusal {
	above, err := t.upstream.Versions(r.Context(), at.crate)
	if err != nil {
		return refusef(http.StatusBadGateway, "%v", err)
	}
	var body []byte
	for _, u := range above {
		if strings.ToLower(u.Name) == strings.ToLower(at.crate) {
			body = append(body, u.Line...)
		}
	}
	local, changed := t.visibleLines(at.crate)
	if len(body) > 0 && len(local) == 0 && t.unsaved(who, at.crate) {
		return t.allow(who, Read)
	}
	if body = append(body, local...); len(body) == 0 {
		return refusef(http.StatusNotFound, "not found")
	}
	sum := sha256.Sum256(body)
	etag := `"` + hex.EncodeToString(sum[:16]) + `"`
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Cache-Control", "public,max-age=600")
	if !changed.IsZero() {
		h.Set("Last-Modified", changed.UTC().Format(http.TimeFormat))
	}
	if slices.Contains(strings.Split(strings.ReplaceAll(r.Header.Get("If-None-Match"), " ", ""), ","), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client may be gone; there is nobody to tell
	return nil
}

// visibleLines returns the index lines of what was published here, and when they last changed.
func (t *Twin) visibleLines(name string) (lines []byte, changed time.Time) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.crates[t.key(name)]
	if c == nil || !strings.EqualFold(c.name, name) {
		return nil, time.Time{}
	}
	for _, v := range c.versions {
		if now.Before(v.visible) || v.deleted {
			continue
		}
		if v.yanked {
			lines = append(lines, v.yankedLine...)
		} else {
			lines = append(lines, v.line...)
		}
		if v.changed.After(changed) {
			changed = v.changed
		}
	}
	return lines, changed
}

// unsaved reports whether an Azure feed hides the upstream crate from the caller: it shows to anonymous readers only
// what an authorised download has saved.
func (t *Twin) unsaved(who identity, key string) bool {
	if t.config.Manners != Azure || t.allow(who, Read) == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.saved[strings.ToLower(key)]
}

func (t *Twin) download(w http.ResponseWriter, r *http.Request, at route, who identity) *refusal {
	t.mu.Lock()
	v := t.lookup(at.crate, at.version)
	t.mu.Unlock()
	if v != nil {
		b, err := v.bytes()
		if err != nil {
			return refusef(http.StatusInternalServerError, "%v", err)
		}
		writeCrate(w, b)
		return nil
	}
	if t.unsaved(who, at.crate+"@"+at.version) {
		return t.allow(who, Read)
	}
	b, found, err := t.upstream.Download(r.Context(), at.crate, at.version)
	switch {
	case err != nil:
		return refusef(http.StatusBadGateway, "%v", err)
	case !found:
		return refusef(http.StatusNotFound, "crate `%s` does not have a version `%s`", at.crate, at.version)
	}
	t.mu.Lock()
	t.saved[strings.ToLower(at.crate)], t.saved[strings.ToLower(at.crate+"@"+at.version)] = true, true
	t.mu.Unlock()
	writeCrate(w, b)
	return nil
}

func writeCrate(w http.ResponseWriter, b []byte) {
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = bytes.NewReader(b).WriteTo(w) // the client may be gone; there is nobody to tell
}

// yank marks or unmarks a version. The index shows it at once, whatever the lag of uploads.
func (t *Twin) yank(w http.ResponseWriter, at route, who identity) *refusal {
	if refused := t.allow(who, Publish); refused != nil {
		return refused
	}
	t.mu.Lock()
	v := t.lookup(at.crate, at.version)
	if v != nil {
		v.yanked = at.operation == "yank"
		if now := time.Now(); now.After(v.changed) {
			v.changed = now
		}
	}
	t.mu.Unlock()
	if v == nil {
		return refusef(http.StatusNotFound, "crate `%s` does not have a version `%s`", at.crate, at.version)
	}
	writeJSON(w, http.StatusOK, map[string]bool{"ok": true})
	return nil
}

func (t *Twin) owners(w http.ResponseWriter, r *http.Request, at route) *refusal {
	if _, refused := t.summary(r, at.crate); refused != nil {
		return refused
	}
	type user struct {
		ID    int    `json:"id"`
		Login string `json:"login"`
		Name  string `json:"name"`
	}
	users := []user{}
	labels, listed := t.config.Owners[at.crate]
	if !listed {
		t.mu.Lock()
		for _, u := range t.accepted {
			if t.key(u.Name) == t.key(at.crate) && !slices.Contains(labels, u.Token) {
				labels = append(labels, u.Token)
			}
		}
		t.mu.Unlock()
	}
	for i, l := range labels {
		users = append(users, user{i + 1, l, l})
	}
	writeJSON(w, http.StatusOK, map[string]any{"users": users})
	return nil
}

// summary is what the web API says of a crate.
type summary struct {
	ID          string           `json:"id"`
	Name        string           `json:"name"`
	MaxVersion  string           `json:"max_version"`
	Description string           `json:"description"`
	versions    []versionSummary // newest first
}

type versionSummary struct {
	Crate  string `json:"crate"`
	Number string `json:"num"`
	Yanked bool   `json:"yanked"`
}

// summary describes the crate. The API of a registry answers from its database: lag does not matter here.
func (t *Twin) summary(r *http.Request, name string) (summary, *refusal) {
	above, err := t.upstream.Versions(r.Context(), name)
	if err != nil {
		return summary{}, refusef(http.StatusBadGateway, "%v", err)
	}
	var s summary
	for _, u := range above {
		s.ID, s.Name = u.Name, u.Name
		s.versions = append(s.versions, versionSummary{u.Name, u.Number, u.Yanked})
	}
	t.mu.Lock()
	if c := t.crates[t.key(name)]; c != nil {
		s.ID, s.Name = c.name, c.name
		for _, v := range c.versions {
			if v.deleted {
				continue
			}
			s.Description = v.description
			s.versions = append(s.versions, versionSummary{c.name, v.number, v.yanked})
		}
	}
	t.mu.Unlock()
	if len(s.versions) == 0 {
		return summary{}, refusef(http.StatusNotFound, "crate `%s` does not exist", name)
	}
	slices.SortStableFunc(s.versions, func(a, b versionSummary) int { return -compareNumbers(a.Number, b.Number) })
	s.MaxVersion = s.versions[0].Number
	return s, nil
}

// compareNumbers orders versions; what is no version comes first.
func compareNumbers(a, b string) int {
	v, errV := semver.Parse(a)
	w, errW := semver.Parse(b)
	switch {
	case errV != nil && errW != nil:
		return strings.Compare(a, b)
	case errV != nil:
		return -1
	case errW != nil:
		return 1
	}
	return v.Compare(w)
}

func (t *Twin) describe(w http.ResponseWriter, r *http.Request, at route) *refusal {
	s, refused := t.summary(r, at.crate)
	if refused != nil {
		return refused
	}
	writeJSON(w, http.StatusOK, map[string]any{"crate": s, "versions": s.versions})
	return nil
}

// search finds published crates by a part of their name; what lies upstream is not searched.
func (t *Twin) search(w http.ResponseWriter, r *http.Request) *refusal {
	part := strings.ToLower(r.URL.Query().Get("q"))
	limit, err := strconv.Atoi(r.URL.Query().Get("per_page"))
	if err != nil || limit < 1 || limit > 100 {
		limit = 10
	}
	var names []string
	t.mu.Lock()
	for _, c := range t.crates {
		if strings.Contains(strings.ToLower(c.name), part) {
			names = append(names, c.name)
		}
	}
	t.mu.Unlock()
	slices.Sort(names)
	found := []summary{}
	for _, name := range names[:min(limit, len(names))] {
		if s, refused := t.summary(r, name); refused == nil {
			found = append(found, s)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"crates": found, "meta": map[string]int{"total": len(names)}})
	return nil
}
