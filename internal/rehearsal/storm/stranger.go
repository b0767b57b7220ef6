package storm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/release"
)

// act is what somebody with the right to write releases does to the draft.
type act string

// The acts.
const (
	swapCrate act = "replaces a crate in the draft"
	forgeBill act = "rewrites the bill"
	forgeAll  act = "replaces all crates and rewrites the bill and the sums"
	dropAsset act = "deletes a crate from the draft"
	dropBill  act = "deletes the bill"
	dropDraft act = "deletes the draft"
	editNotes act = "edits the notes"
	addFile   act = "adds a file"
)

// forges reports whether the act puts other bytes in the place of ours.
func (a act) forges() bool { return a == swapCrate || a == forgeBill || a == forgeAll }

// meddling is an act and its time: around a step of some process, or, where step is empty, after a process has ended.
type meddling struct {
	act     act
	process int // the first process to which it can happen
	step    string
	after   bool
}

func (m meddling) String() string {
	when := "after the run"
	if m.step != "" {
		when = map[bool]string{false: "before ", true: "after "}[m.after] + m.step
	}
	return fmt.Sprintf("%s, %s, from run %d on", m.act, when, m.process)
}

// refusable reports whether Tagboat may refuse to go on: where bytes are forged, and where a file vanishes under a run's
// hands. The rest it must survive.
func (m meddling) refusable() bool {
	return m.act.forges() || m.step != "" && (m.act == dropAsset || m.act == dropBill)
}

func randomMeddling(rng *rand.Rand) meddling {
	acts := []act{swapCrate, forgeBill, forgeAll, forgeAll, dropAsset, dropBill, dropDraft, editNotes, addFile}
	m := meddling{act: acts[rng.IntN(len(acts))], process: 1 + rng.IntN(4)}
	if rng.IntN(2) == 0 {
		steps := []string{release.KindLedger, release.KindSeal, release.KindRelease, release.KindPublish + "/crates-io/hyperlight-common@" + version, release.KindConfirm + "/crates-io/hyperlight-host@" + version}
		m.step, m.after = steps[rng.IntN(len(steps))], rng.IntN(2) == 0
	}
	return m
}

// meddle lets the strangers act whose time has come and for whom there is a draft.
func (t *trial) meddle(process int, step string, after bool) {
	if t.calm.Load() {
		return
	}
	kind, _, _ := strings.Cut(step, "/")
	for i, m := range t.scene.meddling {
		draft, ok := t.draft()
		if !ok || process < m.process || m.after != after && m.step != "" || m.step != step && m.step != kind {
			continue
		}
		t.mu.Lock()
		done := t.meddled[i]
		t.meddled[i] = true
		t.mu.Unlock()
		if !done {
			t.note("", "a stranger %s", m.act)
			t.perform(m.act, draft)
		}
	}
}

// draft returns the draft with the most assets.
func (t *trial) draft() (githubtwin.Release, bool) {
	var found githubtwin.Release
	for _, r := range t.github.Releases() {
		if r.Tag == tagName && r.Draft && (found.ID == 0 || len(r.Assets) > len(found.Assets)) {
			found = r
		}
	}
	return found, found.ID != 0
}

func (t *trial) perform(a act, draft githubtwin.Release) {
	hand := stranger{t, draft}
	crate := assetOf(workspace[t.dice(len(workspace), "stranger", string(a))].name)
	forged := t.yard.parcels[packing{by: byAStranger}]
	switch a {
	case swapCrate:
		hand.replace(crate, forged[strings.TrimSuffix(crate, "-"+version+".crate")].bytes)
	case forgeBill, forgeAll:
		hand.forge(forged, a == forgeAll)
	case dropAsset:
		hand.remove(crate)
	case dropBill:
		hand.remove(release.BillName)
	case dropDraft:
		t.removeDrafts()
	case editNotes:
		hand.do(http.MethodPatch, fmt.Sprintf("/releases/%d", draft.ID), []byte(`{"tag_name":"`+tagName+`","body":"Edited by hand.\n"}`))
	case addFile:
		hand.upload("extra.txt", []byte("a file that somebody added\n"))
	}
}

// removeDrafts is what a person does who was told to.
func (t *trial) removeDrafts() {
	for _, r := range t.github.Releases() {
		if r.Draft {
			stranger{t, r}.do(http.MethodDelete, fmt.Sprintf("/releases/%d", r.ID), nil)
		}
	}
}

// stranger is somebody with a token of their own, past all faults.
type stranger struct {
	t     *trial
	draft githubtwin.Release
}

func (s stranger) do(method, path string, body []byte) {
	t := s.t
	target := "http://" + githubHost + "/repos/" + owner + "/" + repository + path
	if strings.HasPrefix(path, "/uploads") {
		target = "http://" + githubHost + path
	}
	t.mu.Lock()
	t.handled++
	hand := fmt.Sprint("Bearer ", byHand, t.handled%hands)
	t.mu.Unlock()
	status, answer := direct(t.github.Handler(), method, target, hand, body)
	if status/100 != 2 {
		t.fail("rehearsal", "the stranger's %s %s: %d %s", method, path, status, answer)
	}
}

func (s stranger) remove(name string) {
	for _, a := range s.draft.Assets {
		if a.Name == name {
			s.do(http.MethodDelete, fmt.Sprintf("/releases/assets/%d", a.ID), nil)
		}
	}
}

func (s stranger) upload(name string, content []byte) {
	if slices.ContainsFunc(s.draft.Assets, func(a githubtwin.Asset) bool { return a.Name == name }) {
		return
	}
	s.do(http.MethodPost, fmt.Sprintf("/uploads/repos/%s/%s/releases/%d/assets?name=%s", owner, repository, s.draft.ID, url.QueryEscape(name)), content)
}

// replace swaps an asset's bytes, if it is there.
func (s stranger) replace(name string, content []byte) {
	i := slices.IndexFunc(s.draft.Assets, func(a githubtwin.Asset) bool { return a.Name == name })
	if i < 0 {
		return
	}
	s.remove(name)
	s.draft.Assets = slices.Delete(slices.Clone(s.draft.Assets), i, i+1)
	s.upload(name, content)
}

// forge makes the bill name other bytes, and with crates the draft hold them too: all digests then fit together.
func (s stranger) forge(forged map[string]parcel, crates bool) {
	i := slices.IndexFunc(s.draft.Assets, func(a githubtwin.Asset) bool { return a.Name == release.BillName })
	if i < 0 {
		return
	}
	text, err := s.t.github.AssetBytes(s.draft.Assets[i].ID)
	var b release.Bill
	if err != nil || json.Unmarshal(text, &b) != nil {
		return
	}
	for j := range b.Crates {
		c := &b.Crates[j]
		p := forged[c.Name]
		c.SHA256, c.Size = p.sum, int64(len(p.bytes))
		if crates {
			s.replace(c.Asset, p.bytes)
		}
	}
	if text, err = b.Encode(); err != nil {
		s.t.fail("rehearsal", "encode a forged bill: %v", err)
		return
	}
	s.replace(release.BillName, text)
	if crates {
		s.replace(release.SumsName, b.Sums())
	}
}

// direct calls a handler without a connection and returns the status and the answer.
func direct(h http.Handler, method, target, token string, body []byte) (int, string) {
	r, err := http.NewRequest(method, target, bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	r.RequestURI = r.URL.RequestURI()
	r.Header.Set("Authorization", token)
	r.Header.Set("User-Agent", "stranger")
	r.Header.Set("Content-Type", "application/octet-stream")
	w := &answer{header: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(w, r)
	_ = r.Body.Close() // of a reader in memory
	return w.status, w.body.String()
}

// answer is what a handler called directly says.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

var _ io.Writer = (*answer)(nil)
