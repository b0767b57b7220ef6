//go:build e2e

package contract

import (
	"context"
	"fmt"
	"slices"

	"github.com/tagboat/tagboat/internal/forge"
)

var repositoryCalls = []call{
	{name: "repository", want: "acme/rocket main private=false archived=false", do: func(ctx context.Context, p *peer) (string, error) {
		r, err := p.as[writer].Repository(ctx)
		return fmt.Sprintf("%s %s private=%t archived=%t", r.FullName, r.DefaultBranch, r.Private, r.Archived), err
	}},
	{name: "push permission", want: "true", do: func(ctx context.Context, p *peer) (string, error) {
		r, err := p.as[writer].Repository(ctx)
		return fmt.Sprint(r.Permissions.Known && r.Permissions.Push), err
	}},
	{name: "anonymous look", want: "main", do: func(ctx context.Context, p *peer) (string, error) {
		r, err := p.as[""].Repository(ctx)
		return r.DefaultBranch, err
	}},
	{name: "rate limit", want: "5000, more than 0", do: func(ctx context.Context, p *peer) (string, error) {
		r, err := p.as[writer].RateLimit(ctx)
		return fmt.Sprintf("%d, more than %d", r.Limit, min(r.Remaining, 0)), err
	}},
}

// branch is a call that reads one branch.
func branch(name, want string) call {
	return call{name: "branch " + name, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		sha, err := p.as[reader].Branch(ctx, name)
		return p.named(sha), err
	}}
}

// createBranch is a call that makes a branch at a commit or, where no commit has the name, at that id.
func createBranch(name, commit, want string) call {
	return call{name: "create branch " + name + " at " + commit, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		return did(p.as[writer].CreateBranch(ctx, name, p.id(commit)))
	}}
}

func (p *peer) id(commit string) string {
	if sha, ok := p.commits[commit]; ok {
		return sha
	}
	return commit
}

func deleteBranch(name, want string) call {
	return call{name: "delete branch " + name, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		return did(p.as[writer].DeleteBranch(ctx, name))
	}}
}

func listBranches(prefix, want string) call {
	return call{name: "branches " + prefix + "*", want: want, do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[reader].Branches(ctx, prefix)
		return texts(list, err, func(r forge.Ref) string { return r.Name + "=" + p.named(r.Commit) })
	}}
}

var branchCalls = []call{
	branch("main", "third"),
	branch(absent, "not found"),
	branch("mai", "not found"),
	createBranch("release/v1", "second", "done"),
	createBranch("release/v1", "second", "conflict"),
	createBranch("release/v1", "third", "conflict"),
	createBranch("release/v2", "first", "done"),
	createBranch("release/v3", unknownID, "refused"),
	branch("release/v1", "second"),
	branch("release", "not found"),
	branch("release/v3", "not found"),
	listBranches("release/", "release/v1=second release/v2=first"),
	listBranches("release/v2", "release/v2=first"),
	listBranches(absent, ""),
	deleteBranch("release/v2", "done"),
	deleteBranch("release/v2", "not found"),
	deleteBranch("main", "refused"),
	createBranch("a..b", "first", "refused").differs("done", "takes names that git does not"),
}

func readTag(name, want string) call {
	return call{name: "tag " + name, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		return p.tag(p.as[reader].Tag(ctx, name))
	}}
}

// tagCall is a call of one of the methods that write a tag.
func tagCall(method, name, commit, want string) call {
	return call{name: method + " tag " + name + " " + commit, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		c := p.as[writer]
		switch method {
		case "create":
			return did(c.CreateTag(ctx, name, p.id(commit)))
		case "move":
			return did(c.UpdateTag(ctx, name, p.id(commit)))
		case "upsert":
			return did(c.UpsertTag(ctx, name, p.id(commit)))
		}
		return did(c.DeleteTag(ctx, name))
	}}
}

var tagCalls = []call{
	readTag(absent, "not found"),
	readTag("annotated", "second annotated=true"),
	readTag("nested", "second annotated=true"),
	readTag("annotate", "not found"),
	tagCall("create", "v1.0.0+build", "first", "done"),
	tagCall("create", "v1.0.0+build", "first", "conflict"),
	tagCall("create", "annotated", "first", "conflict"),
	tagCall("create", "core/v1", "third", "done"),
	tagCall("create", "core/v2", unknownID, "refused"),
	readTag("v1.0.0+build", "first annotated=false"),
	readTag("core/v1", "third annotated=false"),
	readTag("core", "not found"),
	tagCall("move", "core/v1", "side", "done"),
	tagCall("move", "core/v2", "side", "not found"),
	tagCall("move", "core/v1", unknownID, "refused"),
	readTag("core/v1", "side annotated=false"),
	tagCall("upsert", "dev-latest", "first", "done"),
	tagCall("upsert", "dev-latest", "third", "done"),
	readTag("dev-latest", "third annotated=false"),
	tagCall("delete", "dev-latest", "", "done"),
	tagCall("delete", "dev-latest", "", "not found"),
	readTag("dev-latest", "not found"),
}

func contains(branch, commit, want string) call {
	return call{name: branch + " contains " + commit, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		ok, err := p.as[reader].Contains(ctx, branch, p.id(commit))
		return fmt.Sprint(ok), err
	}}
}

func changed(base, head, want string) call {
	return call{name: "files from " + base + " to " + head, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[reader].ChangedFiles(ctx, p.id(base), p.id(head))
		return texts(list, err, same)
	}}
}

var historyCalls = []call{
	contains("main", "third", "true"),
	contains("main", "first", "true"),
	contains("main", "side", "false"),
	contains("release/v1", "second", "true"),
	contains("release/v1", "third", "false"),
	contains("annotated", "first", "true"),
	contains(absent, "first", "not found"),
	contains("main", unknownID, "not found"),
	changed("second", "second", ""),
	changed("first", "second", "src/lib.rs"),
	changed("second", "first", ""),
	changed("side", "second", "src/lib.rs"),
	changed("second", "side", ".github/workflows/ci.yml src/lib.rs"),
	changed("main", absent, "not found"),
	changed("second", "third", ".github/workflows/release.yml Cargo.toml crates/core/Cargo.toml docs/a b+c.md large.txt"), // one is renamed
}

func read(ref, name, want string) call {
	return call{name: "read " + name + " at " + ref, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		b, err := p.as[reader].File(ctx, p.id(ref), name)
		return string(b), err
	}}
}

func folder(ref, dir, want string) call {
	return call{name: "list " + dir + "/ at " + ref, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[reader].List(ctx, p.id(ref), dir)
		return texts(list, err, same)
	}}
}

func files(ref, want string) call {
	return call{name: "files of " + ref, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[reader].Tree(ctx, p.id(ref))
		return texts(list, err, func(e forge.TreeEntry) string { return e.Path })
	}}
}

var contentCalls = []call{
	read("main", "src/lib.rs", "one\ntwo\n"),
	read("first", "src/lib.rs", "one\n"),
	read("release/v1", "Cargo.toml", "[package]\n"),
	read("annotated", "Cargo.toml", "[package]\n"),
	read("main", "docs/a b+c.md", "Grüße\n"),
	read("main", "large.txt", large),
	read("main", "Cargo.toml", "not found"),
	read("main", "src", "refused"),
	read(absent, "Cargo.toml", "not found"),
	folder("main", "", ".github/ crates/ docs/ large.txt src/"),
	folder("main", "crates", "crates/core/"),
	folder("main", "crates/core", "crates/core/Cargo.toml"),
	folder("main", absent, "not found"),
	folder("main", "src/lib.rs", "refused"),
	folder(absent, "", "not found"),
	files("first", ".github/workflows/ci.yml Cargo.toml src/lib.rs"),
	files(absent, "not found"),
	{name: "a file by its id", want: "one\n", do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[reader].Tree(ctx, p.commits["first"])
		i := slices.IndexFunc(list, func(e forge.TreeEntry) bool { return e.Path == "src/lib.rs" })
		if err != nil || i < 0 {
			return "", err
		}
		b, err := p.as[reader].Blob(ctx, list[i].SHA)
		return string(b), err
	}},
	{name: "workflow files", want: ".github/workflows/ci.yml .github/workflows/release.yml", do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[reader].WorkflowFiles(ctx, "main")
		return texts(list, err, same)
	}},
	{name: "workflow changes", want: ".github/workflows/ci.yml", do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[reader].WorkflowChanges(ctx, "main", p.commits["side"])
		return texts(list, err, same)
	}},
	{name: "no workflow changes", want: "", do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[reader].WorkflowChanges(ctx, "main", p.commits["second"])
		return texts(list, err, same)
	}},
}

func issues(label, want string) call {
	return call{name: "open issues labelled " + label, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[reader].OpenIssues(ctx, label)
		return texts(list, err, func(i forge.Issue) string { return fmt.Sprint(i.Number, "=", i.Title) })
	}}
}

var issueCalls = []call{
	issues("release-blocker", "1=broken"),
	issues("bug", "2=other 1=broken"),
	issues(absent, ""),
	issues("Release-Blocker", "1=broken").differs("", "tells capital letters of labels apart"),
}

func find(role, tag, want string) call {
	return call{name: "releases of " + tag + " for " + who(role), want: want, do: func(ctx context.Context, p *peer) (string, error) {
		return releaseTexts(p.as[role].FindRelease(ctx, tag))
	}}
}

// draft is a call that makes a draft and keeps it under a name.
func draft(as string, in forge.DraftRequest, want string) call {
	return call{name: "create draft " + as, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		r, err := p.as[writer].CreateDraft(ctx, in)
		return p.keep(as, r, err)
	}}
}

func update(as string, in forge.Update, want string) call {
	return call{name: "update " + as, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		r, err := p.as[writer].UpdateRelease(ctx, p.release[as].ID, in)
		return p.keep(as, r, err)
	}}
}

func readRelease(role, as, want string) call {
	return call{name: "release " + as + " for " + who(role), want: want, do: func(ctx context.Context, p *peer) (string, error) {
		r, err := p.as[role].Release(ctx, p.release[as].ID)
		return releaseText(r), err
	}}
}

func deleteRelease(as, want string) call {
	return call{name: "delete release " + as, want: want, do: func(ctx context.Context, p *peer) (string, error) {
		return did(p.as[writer].DeleteRelease(ctx, p.release[as].ID))
	}}
}

var releaseCalls = []call{
	find(writer, "v1", ""),
	tagCall("create", "v1", "second", "done"),
	draft("one", forge.DraftRequest{Tag: "v1", Name: "One", Body: "text"}, `v1 "One" "text" draft=true pre=false published=false assets=0`),
	find(writer, "v1", `v1 "One" "text" draft=true pre=false published=false assets=0`),
	find("", "v1", ""),
	find(reader, "v1", "").differs(`v1 "One" "text" draft=true pre=false published=false assets=0`, "shows drafts to everyone with a token"),
	readRelease(writer, "one", `v1 "One" "text" draft=true pre=false published=false assets=0`),
	readRelease("", "one", "not found"),
	update("one", forge.Update{Tag: "v1", Body: ptr("notes")}, `v1 "One" "notes" draft=true pre=false published=false assets=0`),
	update("one", forge.Update{Tag: "v1", Name: ptr(""), Prerelease: ptr(true)}, `v1 "" "notes" draft=true pre=true published=false assets=0`),
	draft("again", forge.DraftRequest{Tag: "v1"}, `v1 "" "" draft=true pre=false published=false assets=0`).differs("refused", "allows one release for a tag, drafts included"),
	update("one", forge.Update{Tag: "v1", Draft: ptr(false), Prerelease: ptr(false), MakeLatest: "true"}, `v1 "" "notes" draft=false pre=false published=true assets=0`),
	readRelease("", "one", `v1 "" "notes" draft=false pre=false published=true assets=0`),
	find("", "v1", `v1 "" "notes" draft=false pre=false published=true assets=0`),
	readTag("v1", "second annotated=false"),
	draft("two", forge.DraftRequest{Tag: "v2", Target: "main", Prerelease: true}, `v2 "" "" draft=true pre=true published=false assets=0`),
	update("two", forge.Update{Tag: "v1", Draft: ptr(false)}, "conflict").differs("refused", "names no code for a tag that is taken"),
	update("two", forge.Update{Tag: "v2", Draft: ptr(false)}, `v2 "" "" draft=false pre=true published=true assets=0`),
	readTag("v2", "third annotated=false").differs("not found", "makes no tag where a release is published"),
	draft("three", forge.DraftRequest{Tag: "v3", Target: absent}, "refused").differs(`v3 "" "" draft=true pre=false published=false assets=0`, "takes any target"),
	draft("none", forge.DraftRequest{}, "refused"),
	{name: "releases with a prefix", want: "v2 v1", do: func(ctx context.Context, p *peer) (string, error) {
		list, err := p.as[""].ReleasesWithPrefix(ctx, "v")
		return texts(list, err, func(r forge.Release) string { return r.Tag })
	}},
	{name: "generate notes", want: "true", do: func(ctx context.Context, p *peer) (string, error) {
		body, err := p.as[writer].GenerateNotes(ctx, "v2", "main", "v1")
		return fmt.Sprint(body != ""), err
	}},
	{name: "many drafts", want: "70", do: func(ctx context.Context, p *peer) (string, error) {
		for i := range 70 {
			if _, err := p.as[writer].CreateDraft(ctx, forge.DraftRequest{Tag: fmt.Sprint("many-", i)}); err != nil {
				return "", err
			}
		}
		list, err := p.as[writer].ReleasesWithPrefix(ctx, "many-")
		return fmt.Sprint(len(list)), err
	}},
	deleteRelease("two", "done"),
	deleteRelease("two", "not found"),
	readRelease(writer, "two", "not found"),
	update("two", forge.Update{Tag: "v2"}, "not found"),
	find(writer, "v2", ""),
}
