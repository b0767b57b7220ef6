package storm

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
	"github.com/tagboat/tagboat/internal/release"
)

// Sabotage is a lie that processes are told on their way to the world, so that they break a promise although their code
// is right. A storm must find each one: a check that nothing can fail proves nothing.
type Sabotage struct {
	Name, Breaks string

	lie func(t *trial, c *call, req *http.Request) (*http.Response, error) // in place of sending; nil, nil sends
	// distort changes what the service said.
	distort func(t *trial, c *call, resp *http.Response) error
}

// Sabotages returns all lies.
func Sabotages() []Sabotage {
	return []Sabotage{
		{Name: "blind-look", Breaks: "the index is looked at before an upload: whoever asks is told that there is no such crate", lie: blindLook},
		{Name: "early-confirm", Breaks: "what is confirmed is in the index: whoever waits is told that it is there", lie: earlyConfirm},
		{Name: "forget-crate", Breaks: "no crate is forgotten: one of them is said to be in the index from the start", lie: forgetCrate},
		{Name: "fake-upload", Breaks: "what is told as uploaded was accepted: an upload is said to be accepted that was never sent", lie: fakeUpload},
		{Name: "other-bytes", Breaks: "packaged bytes are uploaded: others go out in their place", lie: otherBytes},
		{Name: "impatient", Breaks: "a registry whose rules are unknown shows a crate before its dependents are uploaded"},
		{Name: "never-shown", Breaks: "a release ends: the index is said never to show a crate", lie: neverShown},
		{Name: "trust-any-bill", Breaks: "a bill counts only if a credential of ours made it: every bill gets a right MAC on its way in", distort: trustAnyBill},
		{Name: "lose-bill", Breaks: "a complete ledger is not packaged again: the bill cannot be found", lie: loseBill},
		{Name: "second-draft", Breaks: "there is one draft: none is listed", lie: secondDraft},
		{Name: "public-draft", Breaks: "nothing is public before everything is confirmed: the draft is none", lie: publicDraft},
		{Name: "tell-secret", Breaks: "no secret is told: an error names the token", lie: tellSecret},
	}
}

// sabotages returns those with the names.
func sabotages(names []string) ([]Sabotage, error) {
	var out []Sabotage
	for _, name := range names {
		i := slices.IndexFunc(Sabotages(), func(s Sabotage) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no sabotage is called %q", name)
		}
		out = append(out, Sabotages()[i])
	}
	return out, nil
}

// lie lets the lies answer a request. Where one does, or fails it, lied is true.
func (t *trial) lie(c *call, req *http.Request) (resp *http.Response, err error, lied bool) {
	for _, s := range t.sabotage {
		if s.lie == nil {
			continue
		}
		if resp, err := s.lie(t, c, req); resp != nil || err != nil {
			t.record(c.entry("a lie"))
			return resp, err, true
		}
	}
	return nil, nil, false
}

// distort lets the lies change an answer.
func (t *trial) distort(c *call, resp *http.Response) error {
	for _, s := range t.sabotage {
		if s.distort == nil {
			continue
		}
		if err := s.distort(t, c, resp); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) sabotaged(name string) bool {
	return slices.ContainsFunc(t.sabotage, func(s Sabotage) bool { return s.Name == name })
}

// says makes an answer up.
func says(req *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// entryOf is an index line with our checksum.
func entryOf(t *trial, registry, crate string) string {
	return fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[],"cksum":%q,"features":{},"yanked":false}`+"\n", crate, version, t.parcels(registry, asTagged)[crate].sum)
}

func blindLook(_ *trial, c *call, req *http.Request) (*http.Response, error) {
	if strings.HasPrefix(c.op, "index ") && !strings.HasPrefix(c.key, release.KindConfirm+"/") {
		return says(req, http.StatusNotFound, ""), nil
	}
	return nil, nil
}

func earlyConfirm(t *trial, c *call, req *http.Request) (*http.Response, error) {
	if crate, ok := strings.CutPrefix(c.op, "index "); ok && strings.HasPrefix(c.key, release.KindConfirm+"/") {
		return says(req, http.StatusOK, entryOf(t, c.service, crate)), nil
	}
	return nil, nil
}

func forgetCrate(t *trial, c *call, req *http.Request) (*http.Response, error) {
	if crate, ok := strings.CutPrefix(c.op, "index "); ok && crate == "hyperlight-host" {
		return says(req, http.StatusOK, entryOf(t, c.service, crate)), nil
	}
	return nil, nil
}

func neverShown(_ *trial, c *call, req *http.Request) (*http.Response, error) {
	if c.op == "index hyperlight-host" {
		return says(req, http.StatusNotFound, ""), nil
	}
	return nil, nil
}

func fakeUpload(_ *trial, c *call, req *http.Request) (*http.Response, error) {
	if c.op == "publish hyperlight-host" {
		return says(req, http.StatusOK, `{"warnings":{"invalid_categories":[],"invalid_badges":[],"other":[]}}`), nil
	}
	return nil, nil
}

// otherBytes swaps the archive of an upload, of the same length or not, for that of another packaging.
func otherBytes(t *trial, c *call, req *http.Request) (*http.Response, error) {
	crate, ok := strings.CutPrefix(c.op, "publish ")
	if !ok {
		return nil, nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	ours, others := t.parcels(c.service, asTagged)[crate].bytes, t.parcels(c.service, byAStranger)[crate].bytes
	head := body[:len(body)-len(ours)-4]
	size := len(others)
	swapped := slices.Concat(head, []byte{byte(size), byte(size >> 8), byte(size >> 16), byte(size >> 24)}, others)
	req.Body, req.ContentLength, req.GetBody = io.NopCloser(bytes.NewReader(swapped)), int64(len(swapped)), nil
	return nil, nil
}

func trustAnyBill(_ *trial, c *call, resp *http.Response) error {
	if c.op != "download-asset "+release.BillName || resp.StatusCode != http.StatusOK {
		return nil
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var b release.Bill
	if json.Unmarshal(text, &b) == nil {
		if err := b.Sign(c.process.keys()); err != nil {
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
func loseBill(_ *trial, c *call, req *http.Request) (*http.Response, error) {
	if c.op == "download-asset "+release.BillName {
		return says(req, http.StatusOK, "{}"), nil
	}
	return nil, nil
}

func secondDraft(_ *trial, c *call, req *http.Request) (*http.Response, error) {
	if c.op == "list-releases" && strings.HasPrefix(c.key, release.KindDraft+"/") {
		return says(req, http.StatusOK, "[]"), nil
	}
	return nil, nil
}

func publicDraft(_ *trial, c *call, req *http.Request) (*http.Response, error) {
	if c.service != fault.GitHub || !strings.HasPrefix(c.op, "create-release ") {
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

func tellSecret(t *trial, c *call, _ *http.Request) (*http.Response, error) {
	if c.op == "create-ref refs/heads/"+branch && t.dice(8, "tell", c.process.number) == 0 {
		return nil, errors.New("proxy: the header Bearer " + secrets.github + " is not allowed")
	}
	return nil, nil
}
