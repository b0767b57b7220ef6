package registrytwin

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/cratestore"
	"github.com/tagboat/tagboat/internal/semver"
)

// maxJSON is crates.io's limit for the JSON of an upload; READMEs of others stay below it too.
const maxJSON = 1 << 20

// publish takes an upload. Whatever it refuses, it reads the whole request first: a client that still writes would
// otherwise see a broken connection instead of the answer.
func (t *Twin) publish(w http.ResponseWriter, r *http.Request, who identity) *refusal {
	refused := t.accept(r, who)
	if refused != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, t.config.MaxSize+maxJSON))
		return refused
	}
	warnings := t.config.Warnings
	if warnings == nil {
		warnings = []string{}
	}
	body := map[string]any{"warnings": map[string][]string{
		"invalid_categories": {}, "invalid_badges": {}, "other": warnings,
	}}
	if t.config.Manners == Lenient || t.config.Manners == Gitea {
		body["ok"] = true
	}
	writeJSON(w, http.StatusOK, body)
	return nil
}

// accept makes the checks in the order of crates.io and stores the version.
func (t *Twin) accept(r *http.Request, who identity) *refusal {
	switch t.config.Manners {
	case CratesIO: // looks at the upload first
	case Kellnr:
		if refused := t.allow(who, Read); refused != nil {
			return refused
		}
	default:
		if refused := t.allow(who, Publish); refused != nil {
			return refused
		}
	}
	told, refused := readMetadata(r.Body)
	if refused != nil {
		return refused
	}
	if refused := checkNameAndVersion(told); refused != nil {
		return refused
	}
	before, err := t.upstream.Versions(r.Context(), told.Name)
	if err != nil {
		return refusef(http.StatusBadGateway, "%v", err)
	}
	if refused := t.admitUploader(who, told.Name, len(before) > 0 || t.exists(told.Name)); refused != nil {
		return refused
	}
	data, refused := t.readArchive(r.Body)
	if refused != nil {
		return refused
	}
	sum := sha256.Sum256(data)
	rel := told
	if t.config.Manners == CratesIO {
		if rel, refused = t.inspect(r, told, sum, data); refused != nil {
			return refused
		}
	}
	return t.store(who, submission{release: rel, sum: hex.EncodeToString(sum[:]), data: data, before: before})
}

// admitUploader decides whether somebody may publish a crate now. Trusted publishing has no rate limit.
func (t *Twin) admitUploader(who identity, crate string, exists bool) *refusal {
	if who.trusted {
		return t.allowTrusted(who.minted, crate, exists)
	}
	if refused := t.allow(who, Publish); refused != nil {
		return refused
	}
	return t.take(who, exists)
}

// readFrame reads one length-prefixed part of the upload.
func readFrame(body io.Reader, what string, limit int64, tooLarge string) ([]byte, *refusal) {
	var prefix [4]byte
	if _, err := io.ReadFull(body, prefix[:]); err != nil {
		return nil, bad("invalid %s length", what)
	}
	size := int64(binary.LittleEndian.Uint32(prefix[:]))
	if size > limit {
		return nil, refusef(http.StatusRequestEntityTooLarge, "%s", tooLarge)
	}
	// The length is a claim: memory is taken as the bytes come.
	data, err := io.ReadAll(io.LimitReader(body, size))
	if err != nil || int64(len(data)) < size {
		return nil, bad("invalid %s length for remaining payload: %d", what, size)
	}
	return data, nil
}

func readMetadata(body io.Reader) (*cratestore.Release, *refusal) {
	text, refused := readFrame(body, "metadata", maxJSON, "JSON metadata blob too large")
	if refused != nil {
		return nil, refused
	}
	var told cratestore.Release
	if err := json.Unmarshal(text, &told); err != nil {
		return nil, bad("invalid upload request: %v", err)
	}
	return &told, nil
}

func (t *Twin) readArchive(body io.Reader) ([]byte, *refusal) {
	return readFrame(body, "tarball", t.config.MaxSize, fmt.Sprintf("max upload size is: %d", t.config.MaxSize))
}

// store keeps an upload that has passed every check but those that need the state.
func (t *Twin) store(who identity, s submission) *refusal {
	lag := t.config.Lag
	if t.config.LagOf != nil {
		lag += t.config.LagOf(s.release.Name)
	}
	now := time.Now()
	v := &version{
		number: s.release.Version, sum: s.sum, size: int64(len(s.data)), visible: now.Add(lag), changed: now.Add(lag), data: s.data,
	}
	if d := s.release.Description; d != nil {
		v.description = *d
	}
	l := s.release.Line(s.sum)
	if t.config.Manners == CratesIO {
		l = s.release.CratesIOLine(s.sum, now)
	}
	var err error
	if v.line, err = l.Encode(); err == nil {
		l.Yanked = true
		v.yankedLine, err = l.Encode()
	}
	if err != nil {
		return bad("%v", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c, refused := t.admit(who, s)
	if refused != nil {
		return refused
	}
	if err := t.keep(s.release.Name, v); err != nil {
		return refusef(http.StatusInternalServerError, "%v", err)
	}
	c.versions = append(c.versions, v)
	t.crates[t.key(c.name)] = c
	t.accepted = append(t.accepted, Upload{
		Name: s.release.Name, Version: s.release.Version, SHA256: s.sum, Size: v.size, At: now, Token: who.label(),
	})
	return nil
}

// submission is an upload on its way into the state.
type submission struct {
	release *cratestore.Release
	sum     string
	data    []byte
	before  []cratestore.Version // what lies upstream of the same crate
}

// admit makes the checks that need the state, and returns the crate that the version belongs to. The caller holds the
// lock.
func (t *Twin) admit(who identity, s submission) (*crate, *refusal) {
	name, number := s.release.Name, s.release.Version
	if owners, listed := t.config.Owners[name]; listed && !slices.Contains(owners, who.label()) {
		return nil, refusef(http.StatusForbidden, "this crate exists but you don't seem to be an owner. "+
			"If you believe this is a mistake, perhaps you need to accept an invitation to be an owner before publishing.")
	}
	c := t.crates[t.key(name)]
	if c == nil {
		c = &crate{name: name}
	}
	if c.name != name {
		return nil, bad("crate was previously named `%s`", c.name)
	}
	bare := withoutBuild(number)
	taken := c.find(func(v *version) bool { return withoutBuild(v.number) == bare }) != nil
	for _, u := range s.before {
		taken = taken || withoutBuild(u.Number) == bare
	}
	if taken {
		return nil, t.config.Manners.taken(t.config.Name, name, bare)
	}
	if t.config.Manners == CratesIO {
		if refused := t.knownDependencies(s.release); refused != nil {
			return nil, refused
		}
	}
	return c, nil
}

func withoutBuild(number string) string {
	bare, _, _ := strings.Cut(number, "+")
	return bare
}

func checkNameAndVersion(told *cratestore.Release) *refusal {
	if err := cratestore.CheckName("crate", told.Name); err != nil {
		return bad("%v", err)
	}
	if _, err := semver.Parse(told.Version); err != nil {
		return bad("%q is an invalid semver version", told.Version)
	}
	if len(told.Version) > 150 {
		return bad("the version number is too long (max 150 characters)")
	}
	return nil
}

// inspect reads the .crate, compares it with what the upload's JSON told, and makes crates.io's checks.
func (t *Twin) inspect(r *http.Request, told *cratestore.Release, sum [sha256.Size]byte, data []byte) (*cratestore.Release, *refusal) {
	found, err := t.cache.Read(sum, data)
	if err != nil {
		return nil, bad("%v", err)
	}
	if found.Name != told.Name {
		return nil, bad("metadata name `%s` does not match manifest name `%s`", told.Name, found.Name)
	}
	if found.Version != told.Version {
		return nil, bad("metadata version `%s` does not match manifest version `%s`", told.Version, found.Version)
	}
	if err := found.Check(); err != nil {
		return nil, bad("%v", err)
	}
	// Upstream is asked before the state is locked; knownDependencies then finds the answers remembered.
	for _, d := range found.Deps {
		if _, err := t.upstream.Versions(r.Context(), d.Name); err != nil {
			return nil, refusef(http.StatusBadGateway, "%v", err)
		}
	}
	return found, nil
}

// knownDependencies refuses a dependency on a crate that does not exist; which versions it has does not matter. The
// caller holds the lock.
func (t *Twin) knownDependencies(r *cratestore.Release) *refusal {
	for _, d := range r.Deps {
		c := t.crates[t.key(d.Name)]
		local := c != nil && c.name == d.Name
		if !local && !t.upstream.Knows(d.Name) && (t.config.Known == nil || !t.config.Known(d.Name)) {
			return bad("no known crate named `%s`", d.Name)
		}
	}
	return nil
}
