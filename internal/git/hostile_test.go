package git_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/git"
)

// hostile are names that git, or we, could take for something else.
var hostile = []string{"", "-x", "--upload-pack=touch /tmp/x", "--", "-", "a b", "a\nb", "a\x00b", "a\tb", "a..b", "a:b", "a^{commit}", "a~1", "a@{1}", "@{-1}",
	"a?b", "a*", "a[b", `a\b`, "a.lock", ".a", "a/.b", "a//b", "/a", "a/", "a.", "a/-b", "a\u2028b", "a\u00a0b", "\xff", "x/../y", strings.Repeat("a", 2000)}

func TestHostileNames(t *testing.T) {
	w := newWorld(t)
	first := w.commit("first", "a", "1")
	r, ctx := w.open(), t.Context()
	for _, name := range hostile {
		for call, err := range map[string]error{
			"Tag":            second(r.Tag(ctx, name)),
			"Commit":         second(r.Commit(ctx, name)),
			"Ref":            second(r.Ref(ctx, "refs/heads/"+name)),
			"Ref without":    second(r.Ref(ctx, name)),
			"IsAncestor":     second(r.IsAncestor(ctx, first, name)),
			"MergeBase":      second(r.MergeBase(ctx, name, first)),
			"File at":        second(r.File(ctx, name, "a")),
			"Tree":           second(r.Tree(ctx, name)),
			"CloneAt":        second(r.CloneAt(ctx, name, filepath.Join(w.dir, "never"))),
			"CreateBranch":   r.CreateBranch(ctx, name, first),
			"CreateBranchAt": r.CreateBranch(ctx, "x", name),
			"UpdateRef":      r.UpdateRef(ctx, "refs/heads/"+name, first, ""),
			"UpdateRef to":   r.UpdateRef(ctx, "refs/heads/x", name, ""),
			"UpdateRef old":  notEmpty(name, r.UpdateRef(ctx, "refs/heads/x", first, name)),
			"DeleteRef":      r.DeleteRef(ctx, "refs/heads/"+name, ""),
			"CreateTag":      second(r.CreateTag(ctx, git.TagRequest{Name: name, Object: first, Message: "m", Tagger: someone})),
			"SetHead":        r.SetHead(ctx, name),
			"Remote":         second(r.Remote(ctx, name)),
			"ObjectType":     second(r.ObjectType(ctx, name)),
			"ListRefs":       notPrefix(name, second(r.ListRefs(ctx, "refs/"+name+"/"))),
			"Log":            second(r.Log(ctx, "", name, 1)),
		} {
			if !errors.Is(err, git.ErrName) {
				t.Errorf("%s(%q): got %v, want ErrName", call, name, err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(w.dir, "never")); err == nil {
		t.Error("a refused clone leaves a folder")
	}
	for _, path := range []string{"", "/a", "../a", "a/../b", "./a", "a//b", "a/", ".git/config", "x/.Git/hooks/y", "a\x00"} {
		if _, err := r.File(ctx, first, path); !errors.Is(err, git.ErrName) {
			t.Errorf("File(%q): got %v, want ErrName", path, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// notEmpty excuses the empty name where it has a meaning.
func notEmpty(name string, err error) error {
	if name == "" {
		return git.ErrName
	}
	return err
}

// notPrefix excuses names that are harmless at the start of a longer one.
func notPrefix(name string, err error) error {
	if name == "" || name == "a." || name == "--" && err != nil {
		return git.ErrName
	}
	return err
}

func TestUnusualNamesWork(t *testing.T) {
	w := newWorld(t)
	first := w.commit("first")
	r, ctx := w.open(), t.Context()
	for _, name := range []string{"v1.0.0", "größe/ü", "日本", "a@b", "@x", "a{b}", "release/v1.0.0", "v1.0.0+build.1", "x'y\"z", "$(touch)", "a;b&c|d", "%2e", "#1", "heads/x"} {
		check(t, r.CreateBranch(ctx, name, first))
		if _, err := r.CreateTag(ctx, git.TagRequest{Name: name, Object: first, Message: "m", Tagger: someone, Time: then}); err != nil {
			t.Error(err)
		}
		if tag, err := r.Tag(ctx, name); tag.Commit != first || err != nil {
			t.Errorf("%s: got %+v, %v", name, tag, err)
		}
		if got, err := r.Commit(ctx, "refs/heads/"+name); got != first || err != nil {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
}

// TestNothingOfOursReachesGit puts traps everywhere that git looks: our environment, the user's configuration and the
// repository's own. Every trap would write a file.
func TestNothingOfOursReachesGit(t *testing.T) {
	w := newWorld(t)
	first := w.commit("first", "a", "1")
	w.commit("second", "b", "1", ".gitattributes", "* filter=trap diff=trap\n")
	trapped := filepath.Join(realDir(t), "trapped")
	script := filepath.Join(realDir(t), "trap.sh")
	check(t, os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\nenv >> %s\ncat\n", trapped), 0o755))
	for key, value := range map[string]string{
		"core.fsmonitor": script, "core.sshCommand": script, "core.pager": script, "core.editor": script, "core.askPass": script,
		"credential.helper": script, "diff.external": script, "diff.trap.command": script, "gpg.program": script, "tag.gpgSign": "true", "commit.gpgSign": "true",
		"core.alternateRefsCommand": script, "uploadpack.packObjectsHook": script, "protocol.ext.allow": "always", "remote.origin.url": "ext::" + script,
		"remote.origin.uploadpack": script, "log.showSignature": "true", "post-index-change": script,
	} {
		if strings.Contains(key, ".") {
			w.git("config", key, value)
		}
	}
	hooks := filepath.Join(w.dir, ".git", "hooks")
	check(t, os.MkdirAll(hooks, 0o755))
	for _, hook := range []string{"post-checkout", "reference-transaction", "post-index-change", "pre-commit", "post-commit", "fsmonitor-watchman"} {
		check(t, os.Symlink(script, filepath.Join(hooks, hook)))
	}
	home := realDir(t)
	check(t, os.WriteFile(filepath.Join(home, ".gitconfig"), fmt.Appendf(nil, "[core]\n\tfsmonitor = %s\n[alias]\n\ttag = !%s\n", script, script), 0o644))
	for name, value := range map[string]string{
		"HOME": home, "XDG_CONFIG_HOME": home, "GITHUB_TOKEN": "hunter22", "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere", "GIT_INDEX_FILE": "/nowhere", "GIT_OBJECT_DIRECTORY": "/nowhere",
		"GIT_CONFIG": "/nowhere", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor", "GIT_CONFIG_VALUE_0": script, "GIT_CONFIG_PARAMETERS": "'core.bare'='true'",
		"GIT_EXTERNAL_DIFF": script, "GIT_SSH_COMMAND": script, "GIT_ASKPASS": script, "SSH_ASKPASS": script, "GIT_PROXY_COMMAND": script, "GIT_TRACE": trapped, "GIT_TEMPLATE_DIR": home, "GIT_NAMESPACE": "x",
	} {
		t.Setenv(name, value)
	}
	r, ctx := w.open(), t.Context()
	for call, err := range map[string]error{
		"Head":       third(r.Head(ctx)),
		"Dirty":      second(r.Dirty(ctx)),
		"Tags":       second(r.Tags(ctx)),
		"Log":        second(r.Log(ctx, "", "main", 5)),
		"DiffNames":  second(r.DiffNames(ctx, first, "main")),
		"File":       second(r.File(ctx, "main", "a")),
		"UpdateRef":  r.UpdateRef(ctx, "refs/heads/x", first, ""),
		"CreateTag":  second(r.CreateTag(ctx, git.TagRequest{Name: "v1", Object: first, Message: "m", Tagger: someone, Time: then})),
		"CloneAt":    second(r.CloneAt(ctx, "main", filepath.Join(realDir(t), "clone"))),
		"Remote":     second(r.Remote(ctx, "origin")),
		"CommitInfo": second(r.CommitInfo(ctx, "main")),
	} {
		if err != nil {
			t.Errorf("%s: %v", call, err)
		}
	}
	bare, err := git.InitBare(ctx, filepath.Join(realDir(t), "b.git"))
	check(t, err)
	check(t, bare.Fetch(ctx, w.dir, "refs/heads/*:refs/heads/*"))
	if text, err := os.ReadFile(trapped); err == nil {
		t.Errorf("a trap has sprung:\n%s", text)
	}
}

func third[T, U any](_ T, _ U, err error) error { return err }
