//go:build e2e

package contract

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

// job is the token of a workflow's job, which may write contents: at the emulator one of an App's installation.
const job = "job-token"

// peer is one of two GitHubs with the same content, and what a sequence of calls has made there so far.
type peer struct {
	as      map[string]*forge.Client // by token
	commits map[string]string        // name -> id
	release map[string]forge.Release
	asset   map[string]forge.Asset
}

func newPeer(t *testing.T, url string, commits, tokens map[string]string) *peer {
	t.Helper()
	p := &peer{as: map[string]*forge.Client{"": newClient(t, url, "")}, commits: commits, release: map[string]forge.Release{}, asset: map[string]forge.Asset{}}
	for role, token := range tokens {
		p.as[role] = newClient(t, url, token)
	}
	return p
}

// embedded is the twin as a peer.
func embedded(t *testing.T) *peer {
	t.Helper()
	w := newWorld(t, githubtwin.Config{Tokens: map[string]githubtwin.Permissions{
		writer: {"contents": "write", "actions": "write", "issues": "write", "workflows": "write"},
		job:    {"contents": "write", "actions": "write", "issues": "write"},
		reader: {"contents": "read", "actions": "read", "issues": "read"},
	}})
	ctx := t.Context()
	who := gitstore.Signature{Name: "Someone", Email: "someone@example.invalid", When: time.Now()}
	inner, err := w.store.CreateTag(ctx, gitstore.Tag{Name: "annotated", Message: "text", Object: w.commits["second"], Type: gitstore.TypeCommit, Tagger: who})
	if err != nil {
		t.Fatal(err)
	}
	outer, err := w.store.CreateTag(ctx, gitstore.Tag{Name: "nested", Message: "text", Object: inner, Type: gitstore.TypeTag, Tagger: who})
	if err != nil {
		t.Fatal(err)
	}
	for ref, object := range map[string]string{"refs/tags/annotated": inner, "refs/tags/nested": outer} {
		if err := w.twin.Push(ctx, githubtwin.Update{Ref: ref, After: object}); err != nil {
			t.Fatal(err)
		}
	}
	w.twin.AddIssue("broken", "release-blocker", "bug")
	w.twin.AddIssue("other", "bug")
	return newPeer(t, w.url, w.commits, map[string]string{writer: writer, job: job, reader: reader})
}

// emulated is the emulator as a peer.
func emulated(t *testing.T) *peer {
	t.Helper()
	e := startEmulator(t)
	commits := e.push(t)
	e.annotate(t, "nested", e.annotate(t, "annotated", commits["second"], "commit"), "tag")
	e.issue(t, "broken", "release-blocker", "bug")
	e.issue(t, "other", "bug")
	return newPeer(t, e.url, commits, map[string]string{
		writer: writer,
		job:    e.token(t, map[string]string{"contents": "write", "actions": "write", "issues": "write"}),
		reader: e.token(t, map[string]string{"contents": "read", "actions": "read", "issues": "read"}),
	})
}

// named turns ids into the names of commits, which both peers have in common.
func (p *peer) named(sha string) string {
	for name, id := range p.commits {
		if id == sha {
			return name
		}
	}
	return sha
}

func (p *peer) tag(t forge.Tag, err error) (string, error) {
	return fmt.Sprintf("%s annotated=%t", p.named(t.Commit), t.Annotated), err
}

// keep remembers a release and says what counts of it.
func (p *peer) keep(as string, r forge.Release, err error) (string, error) {
	if err == nil {
		p.release[as] = r
	}
	return releaseText(r), err
}

func releaseText(r forge.Release) string {
	return fmt.Sprintf("%s %q %q draft=%t pre=%t published=%t assets=%d", r.Tag, r.Name, r.Body, r.Draft, r.Prerelease, !r.PublishedAt.IsZero(), len(r.Assets))
}

func (p *peer) keepAsset(as string, a forge.Asset, err error) (string, error) {
	if err == nil {
		p.asset[as] = a
	}
	return fmt.Sprintf("%s %s %d", a.Name, a.State, a.Size), err
}

func releaseTexts(list []forge.Release, err error) (string, error) {
	var out []string
	for _, r := range list {
		out = append(out, releaseText(r))
	}
	return strings.Join(out, "; "), err
}

func texts[T any](list []T, err error, text func(T) string) (string, error) {
	var out []string
	for _, v := range list {
		out = append(out, text(v))
	}
	return strings.Join(out, " "), err
}

func same(s string) string { return s }

// who names the owner of a token for people.
func who(token string) string {
	if token == "" {
		return "anonymous"
	}
	return strings.TrimSuffix(token, "-token")
}

// call is one call of the adapter. What comes back is compared as text: a value that both peers can have, or the class
// of the error. Calls build upon each other.
type call struct {
	name string
	do   func(ctx context.Context, p *peer) (string, error)
	want string
	// emulator is what the emulator gives where it is no GitHub, and why says in what; empty: the same.
	emulator, why string
}

func did(err error) (string, error) { return "done", err }

// TestPeers makes the same calls at the embedded GitHub and at the emulator. Not among them is what the emulator does
// not have at all: the runs of a dispatch (it knows no workflow of the repository), rulesets with rules in them,
// immutable releases, the permission for workflow files on refs and releases, uploads that break, digests, limits that
// can be used up within a test, and tokens that nobody issued (they are taken for its first user).
func TestPeers(t *testing.T) {
	calls := slices.Concat(repositoryCalls, branchCalls, tagCalls, historyCalls, contentCalls, issueCalls, releaseCalls, assetCalls, permissionCalls, actionsCalls)
	got := map[string][]string{}
	for name, start := range map[string]func(*testing.T) *peer{"embedded": embedded, "emulator": emulated} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			for _, c := range calls {
				text, err := c.do(t.Context(), p)
				if err != nil {
					text = class(err)
				}
				want := c.want
				if name == "emulator" && c.why != "" {
					want = c.emulator
				}
				if text != want {
					t.Errorf("%s: got %q (%v), want %q", c.name, text, err, want)
				}
				got[name] = append(got[name], text)
			}
		})
	}
	if len(got["embedded"]) != len(calls) || len(got["emulator"]) != len(calls) {
		return // one of the two did not start, or was not asked for
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "call\tembedded GitHub\temulator\t")
	differences := 0
	for i, c := range calls {
		ours, theirs := got["embedded"][i], got["emulator"][i]
		if c.why != "" {
			differences++
			if ours == theirs {
				t.Errorf("%s: both give %q, yet a difference is listed: %s", c.name, ours, c.why)
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.name, brief(ours), brief(theirs), c.why)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d calls at both, %d with another result:\n%s", len(calls), differences, table.String())
}

// brief is a result on one line of the table.
func brief(s string) string {
	return fmt.Sprintf("%.60s", strings.TrimSuffix(strings.ReplaceAll(s, "\n", " "), " "))
}

// differs lists a difference of the emulator.
func (c call) differs(emulator, why string) call {
	c.emulator, c.why = emulator, why
	return c
}
