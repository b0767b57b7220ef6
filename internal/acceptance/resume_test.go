//go:build e2e

package acceptance

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/acceptance/outside"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/release"
)

// moment is a call that the outside world never answers: it kills the caller instead.
type moment struct {
	step        string // whose effect it is
	service, op string // op is a pattern
	before      bool   // killed when the call comes, and not after its effect
	nth         int    // which such call, from 1; 0 is the first
	when        func(*outside.World) bool
}

// reaper kills the process of a world at its moment.
type reaper struct {
	moment moment
	world  *outside.World
	once   once

	mu     sync.Mutex
	calls  int
	victim *run
	dead   chan struct{} // closed when the victim has ended
	killed bool
}

// around is the world's outermost handler.
func (k *reaper) around(service string, op func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if fits, err := path.Match(k.moment.op, op(r)); service != k.moment.service || !fits || err != nil || !k.due() {
			next.ServeHTTP(rw, r)
			return
		}
		if !k.moment.before {
			next.ServeHTTP(httptest.NewRecorder(), r)
		}
		k.mu.Lock()
		victim, dead := k.victim, k.dead
		k.killed = true
		k.mu.Unlock()
		victim.cmd.Process.Kill()
		<-dead
		panic(http.ErrAbortHandler)
	})
}

func (k *reaper) due() bool {
	if k.moment.when != nil && !k.moment.when(k.world) {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	return k.calls >= k.moment.nth && k.once.take()
}

// let runs the process as the victim, and reports whether it was killed.
func (k *reaper) let(t *testing.T, r *run) bool {
	t.Helper()
	k.mu.Lock()
	k.victim, k.dead = r, make(chan struct{})
	dead := k.dead
	if err := r.cmd.Start(); err != nil {
		k.mu.Unlock()
		t.Fatal(err)
	}
	k.mu.Unlock()
	err := r.cmd.Wait()
	close(dead)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.killed && err != nil {
		t.Fatalf("tagboat %q: %v\n%s\n%s", r.cmd.Args[1:], err, r.out.String(), r.errs.String())
	}
	return k.killed
}

const (
	tag    = "v0.4.0"
	branch = "release/" + tag
)

// crates are those of the sample, in an order in which they can be published.
var crates = []string{"hyperlight-common", "hyperlight-component-util", "hyperlight-libc", "hyperlight-component-macro", "hyperlight-guest-macro",
	"hyperlight-guest-tracing", "hyperlight-guest", "hyperlight-host", "hyperlight-guest-bin"}

// moments are one for each step of the plan, and those inside of a step where it has several effects.
func moments() []moment {
	all := []moment{
		{step: "check", service: "github", op: "get-repo", before: true},
		{step: "package/" + tag, service: "feed", op: "index " + crates[0], before: true, nth: 2},
		{step: "compare/" + tag, service: "github", op: "generate-notes " + tag, before: true},
		{step: "draft/" + tag, service: "github", op: "create-release " + tag},
		{step: "asset/SHA256SUMS", service: "github", op: "upload-asset SHA256SUMS"},
		{step: "ledger/" + tag, service: "github", op: "upload-asset bill.json"},
		{step: "seal/" + tag + " begun", service: "github", op: "upload-asset bill.next.json"},
		{step: "seal/" + tag + " between", service: "github", op: "delete-asset bill.json"},
		{step: "seal/" + tag, service: "github", op: "rename-asset bill.next.json"},
		{step: "release/" + tag, service: "github", op: "update-release " + tag},
	}
	for _, name := range crates {
		accepted := func(w *outside.World) bool { return uploads(w, name) > 0 }
		file := name + "-0.4.0.crate"
		all = append(all, moment{step: "asset/" + file, service: "github", op: "upload-asset " + file},
			moment{step: "publish/feed/" + name + "@0.4.0", service: "feed", op: "publish " + name},
			moment{step: "confirm/feed/" + name + "@0.4.0", service: "feed", op: "index " + name, when: accepted})
	}
	return all
}

func uploads(w *outside.World, name string) int {
	n := 0
	for _, u := range w.Feeds["feed"].Twin.Accepted() {
		if u.Name == name {
			n++
		}
	}
	return n
}

// Killed after the effect of any step, and before anything else, a release is finished by the next process on an empty
// disk: the same world in the end, each crate accepted once, nothing packaged again once the draft holds it all.
func TestKilledAtEveryStep(t *testing.T) {
	for _, m := range moments() {
		t.Run(strings.ReplaceAll(m.step, "/", "_"), func(t *testing.T) {
			t.Parallel()
			k := &reaper{moment: m}
			w := hyperlight(t, k, nil)
			if err := w.Push(t.Context(), "refs/heads/main:refs/heads/"+branch); err != nil {
				t.Fatal(err)
			}
			if !k.let(t, newRun(t.Context(), t, w, nil, "release", "--branch", branch)) {
				t.Fatalf("the call %s %s never came", m.service, m.op)
			}
			ledger := whole(w)
			env := map[string]string{}
			if ledger {
				env["RUSTUP_HOME"], env["PATH"] = t.TempDir(), pathOfGit(t)
			}
			r := newRun(t.Context(), t, w, env, "release", "--branch", branch).must(t, 0)
			if ledger {
				packagedNothing(t, r)
			}
			finished(t, w)
		})
	}
}

// Killed in the first half, after it made the branch or after it started the release workflow, the next first half goes
// on: one run of the workflow, one release.
func TestKilledInTheFirstHalf(t *testing.T) {
	for _, m := range []moment{
		{step: "branch/" + branch, service: "github", op: "create-ref refs/heads/" + branch},
		{step: "dispatch/CreateRelease.yml@" + branch, service: "github", op: "dispatch CreateRelease.yml"},
	} {
		t.Run(strings.ReplaceAll(m.step, "/", "_"), func(t *testing.T) {
			t.Parallel()
			k := &reaper{moment: m}
			ended := make(chan struct{})
			second := make(chan *run, 1)
			w := hyperlight(t, k, func(context.Context, githubtwin.Dispatch) string {
				defer close(ended)
				r := <-second
				if err := r.cmd.Run(); err != nil {
					t.Errorf("the release workflow: %v\n%s\n%s", err, r.out.String(), r.errs.String())
					return "failure"
				}
				return "success"
			})
			second <- newRun(t.Context(), t, w, nil, "release", "--branch", branch)
			if !k.let(t, newRun(t.Context(), t, w, nil, "release", "--tag", tag, "--detach")) {
				t.Fatalf("the call %s %s never came", m.service, m.op)
			}
			r := newRun(t.Context(), t, w, nil, "release", "--tag", tag, "--detach").must(t, 0)
			if r.RunURL == "" {
				t.Errorf("the report names no run: outcome %s", r.Outcome)
			}
			<-ended
			finished(t, w)
			// When all is done the first half finds nothing to do.
			newRun(t.Context(), t, w, nil, "release", "--tag", tag).must(t, 0)
			finished(t, w)
		})
	}
}

// hyperlight is the world of the sample, with the tag pushed. Its workflow's runs are onDispatch.
func hyperlight(t *testing.T, k *reaper, onDispatch func(context.Context, githubtwin.Dispatch) string) *outside.World {
	t.Helper()
	c := outside.Config{OnDispatch: onDispatch}
	if k != nil {
		c.Around = k.around
	}
	w := startWorld(t, filepath.Join(workspaces, "hyperlight"), c, forFeed)
	if k != nil {
		k.world = w
	}
	pushTag(t, w, tag)
	return w
}

// whole reports whether the release holds every crate and a bill: a later run must not package again.
func whole(w *outside.World) bool {
	rel, _ := w.GitHub.Release(tag)
	n := 0
	bill := false
	for _, a := range rel.Assets {
		if a.State == "uploaded" && strings.HasSuffix(a.Name, ".crate") {
			n++
		}
		bill = bill || a.State == "uploaded" && (a.Name == release.BillName || a.Name == release.BillNext)
	}
	return bill && n == len(crates)
}

// pathOfGit is a PATH with git and no cargo: what finishes a release that is packaged needs no Rust at all.
func pathOfGit(t *testing.T) string {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(git, filepath.Join(bin, "git")); err != nil {
		t.Fatal(err)
	}
	return bin
}

func packagedNothing(t *testing.T, r release.Report) {
	t.Helper()
	for _, s := range r.Steps {
		if s.Kind == release.KindPackage && !strings.Contains(s.Reason, "its MAC under the credential of feed is right") {
			t.Errorf("the step %s: %s", s.Key, s.Reason)
		}
	}
}

// finished holds the world against what a release that was never disturbed leaves.
func finished(t *testing.T, w *outside.World) {
	t.Helper()
	rel, ok := w.GitHub.Release(tag)
	if !ok || rel.Draft {
		t.Fatalf("the release is there: %v, a draft: %v", ok, rel.Draft)
	}
	if all := w.GitHub.Releases(); len(all) != 1 {
		t.Errorf("%d releases", len(all))
	}
	if n := len(w.GitHub.Undrafted()); n != 1 {
		t.Errorf("the release was made public %d times", n)
	}
	sums := map[string]string{}
	var names []string
	for _, a := range rel.Assets {
		names = append(names, a.Name)
		sums[a.Name] = strings.TrimPrefix(a.Digest, "sha256:")
		if a.State != "uploaded" {
			t.Errorf("asset %s is %s", a.Name, a.State)
		}
	}
	want := []string{release.SumsName, release.BillName}
	for _, name := range crates {
		want = append(want, name+"-0.4.0.crate")
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("assets %q, want %q", names, want)
	}
	accepted := w.Feeds["feed"].Twin.Accepted()
	if len(accepted) != len(crates) {
		t.Errorf("%d uploads were accepted, want %d", len(accepted), len(crates))
	}
	for _, name := range crates {
		if n := uploads(w, name); n != 1 {
			t.Errorf("%s was accepted %d times", name, n)
		}
	}
	for _, u := range accepted {
		if sum := sums[u.Name+"-"+u.Version+".crate"]; sum != u.SHA256 {
			t.Errorf("%s: the registry has %s, the release %s", u.Name, u.SHA256, sum)
		}
	}
	if len(w.GitHub.Runs()) > 1 {
		t.Errorf("the workflow was started %d times", len(w.GitHub.Runs()))
	}
}

// A run that goes on where another one was killed, at the fifth of nine crates, takes the bytes from the draft: it does
// not take the time of packaging.
func TestResumeIsFast(t *testing.T) {
	k := &reaper{moment: moment{service: "feed", op: "publish *", nth: 5}}
	w := hyperlight(t, k, nil)
	if err := w.Push(t.Context(), "refs/heads/main:refs/heads/"+branch); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if !k.let(t, newRun(t.Context(), t, w, nil, "release", "--branch", branch)) {
		t.Fatal("the run was not killed")
	}
	until := time.Since(began)
	before := len(w.Feeds["feed"].Twin.Accepted())
	next := newRun(t.Context(), t, w, nil, "release", "--branch", branch)
	began = time.Now()
	r := next.must(t, 0)
	took := time.Since(began)
	var uploading time.Duration
	for _, s := range r.Steps {
		if s.Kind == release.KindPublish || s.Kind == release.KindConfirm {
			uploading += time.Duration(s.ElapsedMS) * time.Millisecond
		}
	}
	t.Logf("killed after %s with %d of %d crates accepted; resumed and finished in %s, of which uploads and confirmations %s", until.Round(time.Millisecond), before, len(crates), took.Round(time.Millisecond), uploading)
	if took > 2*time.Second+uploading {
		t.Errorf("resuming took %s", took)
	}
	packagedNothing(t, r)
	finished(t, w)
}

// Between two runs somebody who may write releases gives the draft other bytes: the next run refuses, whether the bill
// was left alone or written anew.
func TestSwappedDraftIsRefused(t *testing.T) {
	for _, forged := range []bool{false, true} {
		t.Run(fmt.Sprintf("bill written anew %v", forged), func(t *testing.T) {
			t.Parallel()
			k := &reaper{moment: moment{service: "feed", op: "publish " + crates[0]}}
			w := hyperlight(t, k, nil)
			if err := w.Push(t.Context(), "refs/heads/main:refs/heads/"+branch); err != nil {
				t.Fatal(err)
			}
			if !k.let(t, newRun(t.Context(), t, w, nil, "release", "--branch", branch)) {
				t.Fatal("the run was not killed")
			}
			file := "hyperlight-guest-bin-0.4.0.crate"
			swapped, err := outside.MakeCrate("hyperlight-guest-bin", "0.4.0", "// a trap\n")
			if err == nil {
				err = w.SwapAsset(t.Context(), tag, file, swapped)
			}
			if err == nil && forged {
				err = w.ForgeBill(t.Context(), tag, file)
			}
			if err != nil {
				t.Fatal(err)
			}
			before := len(w.Feeds["feed"].Twin.Accepted())
			r := newRun(t.Context(), t, w, nil, "release", "--branch", branch).must(t, 2)
			if len(r.Problems) == 0 || !strings.Contains(r.Problems[0].Summary, file) {
				t.Errorf("problems: %+v", r.Problems)
			}
			if after := len(w.Feeds["feed"].Twin.Accepted()); after != before {
				t.Errorf("%d crates were uploaded all the same", after-before)
			}
			if rel, _ := w.GitHub.Release(tag); !rel.Draft {
				t.Error("the release became public")
			}
		})
	}
}

// Without --detach the first half follows the workflow to its end and tells how it went.
func TestFirstHalfFollows(t *testing.T) {
	for _, conclusion := range []string{"success", "failure"} {
		t.Run(conclusion, func(t *testing.T) {
			t.Parallel()
			second := make(chan *run, 1)
			w := hyperlight(t, nil, func(context.Context, githubtwin.Dispatch) string {
				if conclusion != "success" {
					return conclusion
				}
				if err := (<-second).cmd.Run(); err != nil {
					t.Errorf("the release workflow: %v", err)
				}
				return conclusion
			})
			second <- newRun(t.Context(), t, w, nil, "release", "--branch", branch)
			first := newRun(t.Context(), t, w, nil, "release", "--tag", tag)
			if conclusion == "success" {
				first.must(t, 0)
				finished(t, w)
				return
			}
			r := first.must(t, 1)
			if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Summary, "ended with failure") || !strings.Contains(r.Problems[0].Detail, "/actions/runs/") {
				t.Errorf("problems: %+v", r.Problems)
			}
		})
	}
}
