package world

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/release"
)

// Meddle lets the strangers act whose time has come and for whom there is a draft.
func (t *World) Meddle(process int, step string, after bool) {
	kind, _, _ := strings.Cut(step, "/")
	for i, m := range t.Scene.Meddling {
		draft, ok := t.draft()
		if !ok || process < m.Process || m.After != after && m.Step != "" || m.Step != step && m.Step != kind {
			continue
		}
		t.mu.Lock()
		done := t.meddled[i]
		t.meddled[i] = true
		t.mu.Unlock()
		if !done {
			t.Note("", "a stranger %s", m.Act)
			t.perform(m.Act, draft)
		}
	}
}

// draft returns the draft with the most assets.
func (t *World) draft() (githubtwin.Release, bool) {
	var found githubtwin.Release
	for _, r := range t.GitHub.Releases() {
		if r.Tag == scene.TagName && r.Draft && (found.ID == 0 || len(r.Assets) > len(found.Assets)) {
			found = r
		}
	}
	return found, found.ID != 0
}

func (t *World) perform(a scene.Act, draft githubtwin.Release) {
	hand := stranger{t, draft}
	crate := scene.AssetOf(scene.Workspace()[t.Scene.Dice(len(scene.Workspace()), "stranger", string(a))].Name)
	forged := t.stock.parcels[scene.Packing{By: scene.ByAStranger}]
	switch a {
	case scene.SwapCrate:
		hand.replace(crate, forged[strings.TrimSuffix(crate, "-"+scene.Version+".crate")].Bytes)
	case scene.ForgeBill, scene.ForgeAll:
		hand.forge(forged, a == scene.ForgeAll)
	case scene.DropAsset:
		hand.remove(crate)
	case scene.DropBill:
		hand.remove(release.BillName)
	case scene.DropDraft:
		t.RemoveDrafts()
	case scene.EditNotes:
		hand.do(http.MethodPatch, fmt.Sprintf("/releases/%d", draft.ID), []byte(`{"tag_name":"`+scene.TagName+`","body":"Edited by hand.\n"}`))
	case scene.TakeCrate:
		// One that needs no other: its dependencies would have to be there. Where ours is there already nothing happens.
		free := []string{"hyperlight-libc", "hyperlight-guest-macro", "hyperlight-component-util"}
		if status, answer, err := t.publishByHand(forged[free[t.Scene.Dice(len(free), "taken")]]); err != nil || status != http.StatusOK && status != http.StatusBadRequest {
			t.Fail("rehearsal", "a stranger's upload: %d %s %v", status, answer, err)
		}
	case scene.AddFile:
		hand.upload("extra.txt", []byte("a file that somebody added\n"))
	}
}

// RemoveDrafts is what a person does who was told to.
func (t *World) RemoveDrafts() {
	for _, r := range t.GitHub.Releases() {
		if r.Draft {
			stranger{t, r}.do(http.MethodDelete, fmt.Sprintf("/releases/%d", r.ID), nil)
		}
	}
}

// stranger is somebody with a token of their own, past all faults.
type stranger struct {
	t     *World
	draft githubtwin.Release
}

func (s stranger) do(method, path string, body []byte) {
	t := s.t
	target := "http://" + GitHubHost + "/repos/" + Owner + "/" + Repository + path
	if strings.HasPrefix(path, "/uploads") {
		target = "http://" + GitHubHost + path
	}
	t.mu.Lock()
	t.handled++
	hand := fmt.Sprint("Bearer ", byHand, t.handled%hands)
	t.mu.Unlock()
	status, answer := direct(t.GitHub.Handler(), method, target, hand, body)
	if status/100 != 2 {
		t.Fail("rehearsal", "the stranger's %s %s: %d %s", method, path, status, answer)
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
	s.do(http.MethodPost, fmt.Sprintf("/uploads/repos/%s/%s/releases/%d/assets?name=%s", Owner, Repository, s.draft.ID, url.QueryEscape(name)), content)
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
func (s stranger) forge(forged map[string]scene.Parcel, crates bool) {
	i := slices.IndexFunc(s.draft.Assets, func(a githubtwin.Asset) bool { return a.Name == release.BillName })
	if i < 0 {
		return
	}
	text, err := s.t.GitHub.AssetBytes(s.draft.Assets[i].ID)
	var b release.Bill
	if err != nil || json.Unmarshal(text, &b) != nil {
		return
	}
	for j := range b.Crates {
		c := &b.Crates[j]
		p := forged[c.Name]
		c.SHA256, c.Size = p.Sum, int64(len(p.Bytes))
		if crates {
			s.replace(c.Asset, p.Bytes)
		}
	}
	if text, err = b.Encode(); err != nil {
		s.t.Fail("rehearsal", "encode a forged bill: %v", err)
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
	w := NewAnswer(http.Header{})
	h.ServeHTTP(w, r)
	_ = r.Body.Close() // of a reader in memory
	return w.Status, w.Body.String()
}

// Answer is what a handler called directly says.
type Answer struct {
	header http.Header
	Status int
	Body   bytes.Buffer
}

// NewAnswer returns an answer that collects what a handler says, with h as its header.
func NewAnswer(h http.Header) *Answer { return &Answer{header: h, Status: http.StatusOK} }

func (a *Answer) Header() http.Header         { return a.header }
func (a *Answer) WriteHeader(status int)      { a.Status = status }
func (a *Answer) Write(b []byte) (int, error) { return a.Body.Write(b) }
