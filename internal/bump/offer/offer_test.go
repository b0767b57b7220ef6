package offer_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/bump/offer"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
	"github.com/tagboat/tagboat/internal/secret"
)

// world is an embedded GitHub whose nth write has its effect and gets no answer, n from 1.
type world struct {
	t      *testing.T
	twin   *githubtwin.Twin
	store  *gitstore.Memory
	client *forge.Client
	files  map[string]string
	base   string
	token  string
	writes int
	cut    int
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, token: "token", store: gitstore.NewMemory(), files: map[string]string{"Cargo.toml": "1\n", "old": "x"}}
	w.base = w.commit("First", nil)
	var err error
	if w.twin, err = githubtwin.New(githubtwin.Config{Owner: "o", Repo: "r", Refs: w.store}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.twin.Close() })
	w.push("main", w.base)
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.twin.Handler().ServeHTTP(rw, r)
			return
		}
		if w.writes++; w.writes != w.cut {
			w.twin.Handler().ServeHTTP(rw, r)
			return
		}
		w.twin.Handler().ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(srv.Close)
	if w.client, err = forge.New(forge.Options{APIURL: srv.URL, Owner: "o", Repo: "r", Token: func(context.Context) (secret.Value, error) { return secret.New(w.token), nil }}); err != nil {
		t.Fatal(err)
	}
	return w
}

// commit makes a commit of the world's files with changes.
func (w *world) commit(message string, changes map[string]string, parents ...string) string {
	w.t.Helper()
	maps.Copy(w.files, changes)
	sha, err := w.store.AddCommit(message, w.files, parents...)
	if err != nil {
		w.t.Fatal(err)
	}
	return sha
}

func (w *world) push(branch, commit string) {
	w.t.Helper()
	if err := w.twin.PushBranch(w.t.Context(), branch, commit); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) offer() offer.Offer {
	return offer.Offer{Base: "main", BaseCommit: w.base, Branch: "bump/v2", Title: "Release v2", Body: "text", Commits: []offer.Commit{
		{Headline: "Pick", Body: "Why.\n\n(cherry picked from commit 1)\nCo-authored-by: Ada <a@example.invalid>", Files: map[string]forge.Change{"new": {Content: []byte("n")}, "old": {}}},
		{Headline: "Release v2", Files: map[string]forge.Change{"Cargo.toml": {Content: []byte("2\n")}}},
	}}
}

// run runs an offer once, as one process does, and returns its steps' reasons.
func (w *world) run(o offer.Offer) (string, *offer.Steps, error) {
	s := &offer.Steps{Forge: w.client, Offer: o}
	run := converge.Runner{Do: s.Do, Parallel: 1, Attempts: 1}
	res := run.Run(w.t.Context(), o.Plan())
	var reasons []string
	for _, step := range res.Steps {
		reasons = append(reasons, step.Outcome.Reason)
	}
	return strings.Join(reasons, "; "), s, res.Err()
}

// state is what the world looks like in the end.
func (w *world) state() string {
	w.t.Helper()
	ahead, err := w.client.Ahead(w.t.Context(), "main", "bump/v2")
	if err != nil {
		w.t.Fatal(err)
	}
	out := ""
	for _, c := range ahead {
		out += strings.SplitN(c.Message, "\n", 2)[0] + "; "
	}
	pulls, err := w.client.Pulls(w.t.Context(), "bump/v2", "main")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range pulls {
		out += fmt.Sprintf("#%d %s open=%v; ", p.Number, p.Title, p.Open)
	}
	for _, name := range []string{"Cargo.toml", "new", "old"} {
		text, err := w.client.File(w.t.Context(), "bump/v2", name)
		if err != nil && !forge.IsNotFound(err) {
			w.t.Fatal(err)
		}
		out += fmt.Sprintf("%s=%q ", name, text)
	}
	branches, err := w.client.Branches(w.t.Context(), "bump/")
	if err != nil || len(branches) != 1 {
		w.t.Errorf("branches %v, %v", branches, err)
	}
	return out
}

const whole = `Pick; Release v2; #1 Release v2 open=true; Cargo.toml="2\n" new="n" old="" `

// TestCutAnywhere ends a process after each write in turn, and starts another one.
func TestCutAnywhere(t *testing.T) {
	for cut := 1; cut <= 4; cut++ { // branch, two commits, pull request
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			w := newWorld(t)
			w.cut = cut
			if _, _, err := w.run(w.offer()); err == nil {
				t.Fatal("a lost answer went unnoticed")
			}
			if _, _, err := w.run(w.offer()); err != nil {
				t.Fatal(err)
			}
			if got := w.state(); got != whole {
				t.Errorf("got  %s\nwant %s", got, whole)
			}
			before := w.writes
			reasons, s, err := w.run(w.offer())
			if err != nil || w.writes != before || s.Pull.Number != 1 || s.Head == "" {
				t.Errorf("a third run: %s, %v, %d writes", reasons, err, w.writes-before)
			}
		})
	}
}

// TestCutWhileMadeAnew is the same where the base has moved: the commits are made beside, and then the branch moves.
func TestCutWhileMadeAnew(t *testing.T) {
	for cut := 1; cut <= 6; cut++ { // the branch beside, two commits, the move, the branch beside is removed, the text
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			w := newWorld(t)
			if _, _, err := w.run(w.offer()); err != nil {
				t.Fatal(err)
			}
			w.base = w.commit("Second", map[string]string{"Cargo.toml": "1\nmore\n"}, w.base)
			w.push("main", w.base)
			o := w.offer()
			o.Body = "other text"
			o.Commits[1].Files["Cargo.toml"] = forge.Change{Content: []byte("2\nmore\n")}
			w.writes, w.cut = 0, cut
			if _, _, err := w.run(o); err == nil {
				t.Fatal("a lost answer went unnoticed")
			}
			if _, _, err := w.run(o); err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(whole, `"2\n"`, `"2\nmore\n"`, 1)
			if got := w.state(); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestPicks holds that the branch has one commit for each pick, also where the next run has more of them, or fewer.
func TestPicks(t *testing.T) {
	w := newWorld(t)
	if _, _, err := w.run(w.offer()); err != nil {
		t.Fatal(err)
	}
	more := w.offer()
	more.Commits = []offer.Commit{more.Commits[0], {Headline: "Second pick", Files: map[string]forge.Change{"old": {Content: []byte("y")}}}, more.Commits[1]}
	if _, _, err := w.run(more); err != nil {
		t.Fatal(err)
	}
	if got, want := w.state(), `Pick; Second pick; Release v2; #1 Release v2 open=true; Cargo.toml="2\n" new="n" old="y" `; got != want {
		t.Errorf("one more: got  %s\nwant %s", got, want)
	}
	fewer := w.offer()
	fewer.Commits = more.Commits[1:]
	fewer.Commits[1].Files["Cargo.toml"] = forge.Change{Content: []byte("3\n")}
	if _, _, err := w.run(fewer); err != nil {
		t.Fatal(err)
	}
	if got, want := w.state(), `Second pick; Release v2; #1 Release v2 open=true; Cargo.toml="3\n" new="" old="y" `; got != want {
		t.Errorf("one fewer: got  %s\nwant %s", got, want)
	}
}

// modes are the files of a branch with their modes and contents.
func (w *world) modes(branch string) string {
	w.t.Helper()
	files, err := gitstore.TreeAt(w.t.Context(), w.store, branch)
	if err != nil {
		w.t.Fatal(err)
	}
	out := ""
	for _, e := range files {
		content, err := w.store.Blob(w.t.Context(), e.SHA)
		if err != nil {
			w.t.Fatal(err)
		}
		out += fmt.Sprintf("%s %s=%q ", e.Mode, e.Path, content)
	}
	return out
}

// TestModes ends a process after each write of a commit with a link and an executable file in turn, and then takes the
// link back.
func TestModes(t *testing.T) {
	for cut := 0; cut <= 8; cut++ { // no cut; branch, two blobs, tree, commit, move, the second commit, pull request
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			w := newWorld(t)
			w.cut = cut
			o := w.offer()
			o.Commits[0].Files["run"] = forge.Change{Content: []byte{0xff, 0}, Mode: "100755"}
			o.Commits[0].Files["link"] = forge.Change{Content: []byte("run"), Mode: "120000"}
			delete(o.Commits[0].Files, "new")
			_, _, err := w.run(o)
			if cut == 0 && w.writes != 8 {
				t.Errorf("%d writes, of which not every one is cut", w.writes)
			}
			if (err != nil) != (cut > 0) {
				t.Fatalf("got %v", err)
			}
			if _, _, err := w.run(o); err != nil {
				t.Fatal(err)
			}
			if got, want := w.modes("bump/v2"), "100644 Cargo.toml=\"2\\n\" 120000 link=\"run\" 100755 run=\"\\xff\\x00\" "; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			before := w.writes
			if reasons, _, err := w.run(o); err != nil || w.writes != before {
				t.Errorf("a third run: %s, %v, %d writes", reasons, err, w.writes-before)
			}
			ahead, err := w.client.Ahead(t.Context(), "main", "bump/v2")
			if err != nil || len(ahead) != 2 {
				t.Errorf("%+v, %v", ahead, err)
			}
			o.Commits[1].Files["link"] = forge.Change{Content: []byte("text")}
			if _, _, err := w.run(o); err != nil {
				t.Fatal(err)
			}
			if got := w.modes("bump/v2"); !strings.Contains(got, "100644 link=\"text\"") {
				t.Errorf("the link is %s", got)
			}
		})
	}
}

// TestUnsigned holds that somebody who uses a token of their own gets to know which commits have no signature, and that
// the lock holds for these, too.
func TestUnsigned(t *testing.T) {
	w := newWorld(t)
	w.token = "ghp_personal"
	o := w.offer()
	o.Commits[0].Files["run"] = forge.Change{Content: []byte("x"), Mode: "100755"}
	reasons, s, err := w.run(o)
	if err != nil || !strings.Contains(reasons, "2 made, 1 of them unsigned: ") {
		t.Errorf("%s, %v", reasons, err)
	}
	b := forge.BranchCommit{Branch: "bump/v2", Expected: w.base, Headline: "Late", Files: o.Commits[0].Files}
	if _, _, err := w.client.CommitOnBranch(t.Context(), b); !forge.IsConflict(err) {
		t.Errorf("an old head: got %v, want a conflict", err)
	}
	if head, err := w.client.Branch(t.Context(), "bump/v2"); err != nil || head != s.Head {
		t.Errorf("the branch is at %s, %v, want %s", head, err, s.Head)
	}
}

// TestOthers holds that nothing of others is overwritten.
func TestOthers(t *testing.T) {
	w := newWorld(t)
	if _, _, err := w.run(w.offer()); err != nil {
		t.Fatal(err)
	}
	head, err := w.client.Branch(t.Context(), "bump/v2")
	if err != nil {
		t.Fatal(err)
	}
	w.push("bump/v2", w.commit("Theirs", map[string]string{"new": "theirs"}, head))
	_, _, err = w.run(w.offer())
	if p := (*problem.Error)(nil); !errors.As(err, &p) || p.Kind != problem.Stopped || !strings.Contains(p.Detail, "Theirs") {
		t.Errorf("got %v, want a stop that names the commit", err)
	}
}

// TestClosed holds that what somebody has closed is not opened again.
func TestClosed(t *testing.T) {
	w := newWorld(t)
	if _, _, err := w.run(w.offer()); err != nil {
		t.Fatal(err)
	}
	w.twin.ClosePull(t.Context(), 1)
	_, _, err := w.run(w.offer())
	if p := (*problem.Error)(nil); !errors.As(err, &p) || p.Kind != problem.Stopped || !strings.Contains(p.Summary, "#1") {
		t.Errorf("got %v, want a stop that names the pull request", err)
	}
}
