// Package lie tells the processes of a storm what is not so, to see whether the storm finds out.
package lie

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/rehearsal/world"
	"github.com/tagboat/tagboat/internal/release"
)

// Lie is a lie that processes are told on their way to the world, so that they break a promise although their code
// is right. A storm must find each one: a check that nothing can fail proves nothing.
type Lie struct {
	Name, Breaks string

	Instead func(t *world.World, c *Request, req *http.Request) (*http.Response, error) // in place of sending; nil, nil sends
	// Distort changes what the service said.
	Distort func(t *world.World, c *Request, resp *http.Response) error
}

// Request is what a lie knows of a request.
type Request struct {
	Key     string // the step that asks; "" is the observation
	Service string
	Op      string // as the fault package names operations
	Run     int    // number of the process
}

// All returns all lies.
func All() []Lie {
	return []Lie{
		{Name: "blind-look", Breaks: "the index is looked at before an upload: whoever asks is told that there is no such crate", Instead: blindLook},
		{Name: "early-confirm", Breaks: "what is confirmed is in the index: whoever waits is told that it is there", Instead: earlyConfirm},
		{Name: "forget-crate", Breaks: "no crate is forgotten: one of them is said to be in the index from the start", Instead: forgetCrate},
		{Name: "fake-upload", Breaks: "what is told as uploaded was accepted: an upload is said to be accepted that was never sent", Instead: fakeUpload},
		{Name: "other-bytes", Breaks: "packaged bytes are uploaded: others go out in their place", Instead: otherBytes},
		{Name: "impatient", Breaks: "a registry whose rules are unknown shows a crate before its dependents are uploaded"},
		{Name: "never-shown", Breaks: "a release ends: the index is said never to show a crate", Instead: neverShown},
		{Name: "trust-any-bill", Breaks: "a bill counts only if a credential of ours made it: every bill gets a right MAC on its way in", Distort: trustAnyBill},
		{Name: "lose-bill", Breaks: "a complete ledger is not packaged again: the bill cannot be found", Instead: loseBill},
		{Name: "second-draft", Breaks: "there is one draft: none is listed", Instead: secondDraft},
		{Name: "public-draft", Breaks: "nothing is public before everything is confirmed: the draft is none", Instead: publicDraft},
		{Name: "keep-token", Breaks: "credentials end with the run: whoever ends one is told that it is done", Instead: keepToken},
		{Name: "tell-secret", Breaks: "no secret is told: an error names the token", Instead: tellSecret},
	}
}

// Lies are told together.
type Lies []Lie

// Named returns the lies with the names.
func Named(names []string) (Lies, error) {
	var out Lies
	for _, name := range names {
		i := slices.IndexFunc(All(), func(s Lie) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no sabotage is called %q", name)
		}
		out = append(out, All()[i])
	}
	return out, nil
}

// Has reports whether the lie of that name is among them.
func (all Lies) Has(name string) bool {
	return slices.ContainsFunc(all, func(s Lie) bool { return s.Name == name })
}

// Answer lets the lies answer a request. Where one does, or fails it, told is true and nothing is sent.
func (all Lies) Answer(w *world.World, c *Request, req *http.Request) (resp *http.Response, told bool, err error) {
	for _, s := range all {
		if s.Instead == nil {
			continue
		}
		if resp, err := s.Instead(w, c, req); resp != nil || err != nil {
			return resp, true, err
		}
	}
	return nil, false, nil
}

// Distort lets the lies change an answer.
func (all Lies) Distort(w *world.World, c *Request, resp *http.Response) error {
	for _, s := range all {
		if s.Distort == nil {
			continue
		}
		if err := s.Distort(w, c, resp); err != nil {
			return err
		}
	}
	return nil
}

// says makes an answer up.
func says(req *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// entryOf is an index line with our checksum.
func entryOf(t *world.World, registry, crate string) string {
	return fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":false}`+"\n", crate, scene.Version, t.Parcels(registry, scene.AsTagged)[crate].Sum)
}

func blindLook(_ *world.World, c *Request, req *http.Request) (*http.Response, error) {
	if strings.HasPrefix(c.Op, "index ") && !strings.HasPrefix(c.Key, release.KindConfirm+"/") {
		return says(req, http.StatusNotFound, ""), nil
	}
	return nil, nil
}

func keepToken(_ *world.World, c *Request, req *http.Request) (*http.Response, error) {
	if c.Op == "revoke" {
		return says(req, http.StatusNoContent, ""), nil
	}
	return nil, nil
}

func earlyConfirm(t *world.World, c *Request, req *http.Request) (*http.Response, error) {
	if crate, ok := strings.CutPrefix(c.Op, "index "); ok && strings.HasPrefix(c.Key, release.KindConfirm+"/") {
		return says(req, http.StatusOK, entryOf(t, c.Service, crate)), nil
	}
	return nil, nil
}

func forgetCrate(t *world.World, c *Request, req *http.Request) (*http.Response, error) {
	if crate, ok := strings.CutPrefix(c.Op, "index "); ok && crate == "hyperlight-host" {
		return says(req, http.StatusOK, entryOf(t, c.Service, crate)), nil
	}
	return nil, nil
}

func neverShown(_ *world.World, c *Request, req *http.Request) (*http.Response, error) {
	if c.Op == "index hyperlight-host" {
		return says(req, http.StatusNotFound, ""), nil
	}
	return nil, nil
}

func fakeUpload(_ *world.World, c *Request, req *http.Request) (*http.Response, error) {
	if c.Op == "publish hyperlight-host" {
		return says(req, http.StatusOK, `{"warnings":{"invalid_categories":[],"invalid_badges":[],"other":[]}}`), nil
	}
	return nil, nil
}

// otherBytes swaps the archive of an upload, of the same length or not, for that of another packaging.
func otherBytes(t *world.World, c *Request, req *http.Request) (*http.Response, error) {
	crate, ok := strings.CutPrefix(c.Op, "publish ")
	if !ok {
		return nil, nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	ours, others := t.Parcels(c.Service, scene.AsTagged)[crate].Bytes, t.Parcels(c.Service, scene.ByAStranger)[crate].Bytes
	head := body[:len(body)-len(ours)-4]
	size := len(others)
	swapped := slices.Concat(head, []byte{byte(size), byte(size >> 8), byte(size >> 16), byte(size >> 24)}, others)
	req.Body, req.ContentLength, req.GetBody = io.NopCloser(bytes.NewReader(swapped)), int64(len(swapped)), nil
	return nil, nil
}

func trustAnyBill(t *world.World, c *Request, resp *http.Response) error {
	if c.Op != "download-asset "+release.BillName || resp.StatusCode != http.StatusOK {
		return nil
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var b release.Bill
	if json.Unmarshal(text, &b) == nil {
		if err := b.Sign(t.Keys(c.Run)); err != nil {
			return err
		}
		if text, err = b.Encode(); err != nil {
			return err
		}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	resp.Header.Del("Content-Length")
	return nil
}

// loseBill answers for a bill that is there with other words, so that the observation goes on without it.
func loseBill(_ *world.World, c *Request, req *http.Request) (*http.Response, error) {
	if c.Op == "download-asset "+release.BillName {
		return says(req, http.StatusOK, "{}"), nil
	}
	return nil, nil
}

func secondDraft(_ *world.World, c *Request, req *http.Request) (*http.Response, error) {
	if c.Op == "list-releases" && strings.HasPrefix(c.Key, release.KindDraft+"/") {
		return says(req, http.StatusOK, "[]"), nil
	}
	return nil, nil
}

func publicDraft(_ *world.World, c *Request, req *http.Request) (*http.Response, error) {
	if c.Service != fault.GitHub || !strings.HasPrefix(c.Op, "create-release ") {
		return nil, nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	body = bytes.Replace(body, []byte(`"draft":true`), []byte(`"draft":false`), 1)
	req.Body, req.ContentLength, req.GetBody = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	return nil, nil
}

func tellSecret(t *world.World, c *Request, _ *http.Request) (*http.Response, error) {
	if c.Op == "create-ref refs/heads/"+scene.Branch && t.Scene.Dice(8, "tell", c.Run) == 0 {
		return nil, errors.New("proxy: the header Bearer " + world.GitHubToken + " is not allowed")
	}
	return nil, nil
}
