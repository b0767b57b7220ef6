//go:build e2e

package contract

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/forge"
)

func upload(as, release, name, content, want string) call {
	return call{name: "upload " + name + " to " + release, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		a, err := p.as[writer].UploadAsset(ctx, p.release[release], file(name, content))
		return p.keepAsset(as, a, err)
	}}
}

func assets(release, want string) call {
	return call{name: "assets of " + release, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[writer].Assets(ctx, p.release[release].ID)
		slices.SortFunc(list, func(a, b forge.Asset) int { return strings.Compare(a.Name, b.Name) })
		return texts(list, err, func(a forge.Asset) string { return fmt.Sprintf("%s=%s", a.Name, a.State) })
	}}
}

func rename(as, name, want string) call {
	return call{name: "rename " + as + " to " + name, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		a, err := p.as[writer].RenameAsset(ctx, p.asset[as].ID, name)
		return p.keepAsset(as, a, err)
	}}
}

func deleteAsset(as, want string) call {
	return call{name: "delete asset " + as, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		return did(p.as[writer].DeleteAsset(ctx, p.asset[as].ID))
	}}
}

var assetCalls = []call{
	draft("files", forge.DraftRequest{Tag: "v4", Target: "main"}, `v4 "" "" draft=true pre=false published=false assets=0`),
	assets("files", ""),
	upload("a", "files", "a+1.crate", "bytes", "a+1.crate uploaded 5"),
	upload("b", "files", "b.json", "{}", "b.json uploaded 2"),
	assets("files", "a+1.crate=uploaded b.json=uploaded"),
	readRelease(writer, "files", `v4 "" "" draft=true pre=false published=false assets=2`),
	{name: "digest", want: "sha256:", emulator: "", why: "has no digests", do: func(_ context.Context, p *peer) (string, error) {
		return fmt.Sprintf("%.7s", p.asset["a"].Digest), nil
	}},
	{name: "download", want: "bytes", emulator: "other bytes", why: "keeps no bytes and answers with JSON", do: func(ctx context.Context, p *peer) (string, error) {
		body, err := p.as[writer].DownloadAsset(ctx, p.asset["a"])
		if err != nil {
			return "", err
		}
		defer body.Close()
		b, err := io.ReadAll(body)
		if string(b) != "bytes" {
			return "other bytes", err
		}
		return "bytes", err
	}},
	rename("b", "c.json", "c.json uploaded 2"),
	rename("b", "a+1.crate", "conflict").differs("a+1.crate uploaded 2", "takes a name twice"),
	rename("b", "c.json", "c.json uploaded 2"),
	upload("double", "files", "a+1.crate", "other", "conflict").differs("a+1.crate uploaded 5", "takes a name twice"),
	upload("odd", "files", "d e@f.txt", "x", "d.e.f.txt uploaded 1").differs("d e@f.txt uploaded 1", "keeps names as they are"),
	upload("empty", "files", "empty", "", "refused").differs("empty uploaded 0", "takes empty files"),
	deleteAsset("b", "done"),
	deleteAsset("b", "not found"),
	rename("b", "d.json", "not found"),
	assets("files", "a+1.crate=uploaded d.e.f.txt=uploaded").differs("a+1.crate=uploaded a+1.crate=uploaded d e@f.txt=uploaded empty=uploaded", "took what GitHub does not"),
	deleteRelease("files", "done"),
	assets("files", "not found"),
	upload("late", "files", "late", "x", "not found"),
}

// allowed is a call that a token may or may not make.
func allowed(role, name, want string, do func(ctx context.Context, c *forge.Client, p *peer) error) call {
	return call{name: name + " as " + who(role), want: want, do: func(ctx context.Context, p *peer) (string, error) {
		return did(do(ctx, p.as[role], p))
	}}
}

var writes = []struct {
	name string
	do   func(ctx context.Context, c *forge.Client, p *peer) error
}{
	{"create branch", func(ctx context.Context, c *forge.Client, p *peer) error {
		return c.CreateBranch(ctx, "mine", p.commits["second"])
	}},
	{"create tag", func(ctx context.Context, c *forge.Client, p *peer) error {
		return c.CreateTag(ctx, "mine", p.commits["second"])
	}},
	{"move tag", func(ctx context.Context, c *forge.Client, p *peer) error {
		return c.UpdateTag(ctx, "mine", p.commits["third"])
	}},
	{"create draft", func(ctx context.Context, c *forge.Client, p *peer) error {
		return second(c.CreateDraft(ctx, forge.DraftRequest{Tag: "mine"}))
	}},
	{"update release", func(ctx context.Context, c *forge.Client, p *peer) error {
		return second(c.UpdateRelease(ctx, p.release["one"].ID, forge.Update{Tag: "v1"}))
	}},
	{"generate notes", func(ctx context.Context, c *forge.Client, p *peer) error {
		return second(c.GenerateNotes(ctx, "v1", "", ""))
	}},
	{"upload", func(ctx context.Context, c *forge.Client, p *peer) error {
		return second(c.UploadAsset(ctx, p.release["one"], file("mine", "x")))
	}},
	{"delete branch", func(ctx context.Context, c *forge.Client, p *peer) error { return c.DeleteBranch(ctx, "mine") }},
	{"delete tag", func(ctx context.Context, c *forge.Client, p *peer) error { return c.DeleteTag(ctx, "mine") }},
}

var permissionCalls = permissions()

func permissions() []call {
	var out []call
	for _, role := range []struct{ name, want string }{{job, "done"}, {reader, "denied"}, {"", "denied"}} {
		for _, w := range writes {
			out = append(out, allowed(role.name, w.name, role.want, w.do))
		}
	}
	return out
}

var actionsCalls = []call{
	allowed(writer, "dispatch a workflow that is not there", "not found", func(ctx context.Context, c *forge.Client, p *peer) error {
		return second(c.Dispatch(ctx, "absent.yml", "main", nil))
	}),
	allowed(reader, "dispatch", "denied", func(ctx context.Context, c *forge.Client, p *peer) error {
		return second(c.Dispatch(ctx, "release.yml", "main", map[string]string{"tag": "v1"}))
	}),
	allowed(writer, "dispatch", "done", func(ctx context.Context, c *forge.Client, p *peer) error {
		return second(c.Dispatch(ctx, "release.yml", "main", map[string]string{"tag": "v1"}))
	}).differs("not found", "knows no workflow of the repository"),
	allowed(reader, "a run that is not there", "not found", func(ctx context.Context, c *forge.Client, p *peer) error { return second(c.Run(ctx, 7)) }),
	allowed(reader, "runs of a workflow that is not there", "not found", func(ctx context.Context, c *forge.Client, p *peer) error {
		return second(c.Runs(ctx, "absent.yml", "main", time.Time{}))
	}),
	{name: "workflows", want: "2", emulator: "0", why: "knows no workflow of the repository", do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[reader].Workflows(ctx)
		return fmt.Sprint(len(list)), err
	}},
	{name: "rules", want: "0", emulator: "not found", why: "has no rulesets", do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[reader].RulesFor(ctx, "main")
		return fmt.Sprint(len(list)), err
	}},
}
