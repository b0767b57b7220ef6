package trial

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/rehearsal/world"
	"github.com/tagboat/tagboat/internal/release"
)

// What must hold while a release is under way: checked when a request leaves a process, when it arrives, and when a
// process ends.

// watchSecrets holds where credentials go: to the service that they are for, in one header, and nowhere else.
func (t *Trial) watchSecrets(c *call, req *http.Request) {
	t.NoSecret("the address of "+c.name(), req.URL.String())
	want := []string{""}
	got := req.Header.Get("Authorization")
	switch {
	case req.URL.Host == world.IdentityHost:
		want = []string{"Bearer " + c.process.bearer}
	case c.Service == registry.CratesIO && (strings.HasPrefix(c.Op, "publish ") || c.Op == "revoke") && t.Made(got):
		want = []string{got}
	case req.URL.Host == world.GitHubHost && !strings.HasPrefix(req.URL.Path, "/storage/"):
		want = []string{"Bearer " + world.GitHubToken}
	case req.URL.Host != world.GitHubHost:
		want = append(want, t.Token(c.process.number, c.Service))
	}
	if !slices.Contains(want, got) {
		t.fail("credentials go where they belong", "%s carries another credential than its service's", c.name())
	}
}

// arrive counts a request and holds it against what the process could see when it began: nobody does again what stood
// there already.
func (t *Trial) arrive(c *call, r *http.Request) int {
	p := c.process
	changes := r.Method != http.MethodGet && r.Method != http.MethodHead && c.Op != "generate-notes "+scene.TagName
	p.mu.Lock()
	p.requests++
	if changes {
		p.writes++
	}
	over := p.requests == maxRequests
	p.mu.Unlock()
	if over {
		t.fail("requests are bounded", "%s has sent %d requests", p.name(), maxRequests)
		p.die("because it never stops asking")
	}
	operation, argument, _ := strings.Cut(c.Op, " ")
	switch {
	case operation == "publish":
		if at, ok := t.Visible(c.Service, argument); ok && !at.After(p.began) {
			t.fail("nothing is done twice", "%s uploads %s to %s, whose index showed it when the run began", p.name(), argument, c.Service)
		}
	case c.Service != fault.GitHub || t.MeddlesWithDrafts():
	case operation == "create-release":
		for _, rel := range t.GitHub.Releases() {
			if rel.Tag == scene.TagName && !rel.CreatedAt.Add(time.Second+t.Scene.DraftLag).After(p.began) {
				t.fail("nothing is done twice", "%s makes a release although release %d was listed when the run began", p.name(), rel.ID)
			}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arrivals++
	return t.arrivals
}

// accepted notes that a registry took an upload of the process.
func (p *process) accepted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.uploads++
}

// believe holds a report against the world: what it tells as done is done.
func (p *process) believe(r *release.Report) {
	t := p.trial
	wrong := func(format string, args ...any) {
		t.fail("the report is true", p.name()+" tells "+format, args...)
	}
	waits := false
	for _, s := range r.Steps {
		if s.Outcome == "waiting" {
			waits = true
		}
		if s.Outcome == "done" && !t.Holds(s.Kind, strings.TrimPrefix(s.Key, s.Kind+"/")) {
			wrong("that %s is done (%s), and it is not", s.Key, s.Reason)
		}
	}
	p.mu.Lock()
	uploads, writes := p.uploads, p.writes
	p.mu.Unlock()
	t.mu.Lock()
	undisturbed := t.deaths == 0 && t.calm.Load() && t.processes == p.number
	t.mu.Unlock()
	if open := t.LeftOpen(p.began); undisturbed && open > 0 {
		t.fail("credentials end with the run", "%s left %d tokens behind", p.name(), open)
	}
	switch r.Outcome {
	case release.Released:
		if rel, ok := t.GitHub.Release(scene.TagName); !ok || rel.Draft {
			wrong("that the release is public, and it is not")
		}
	case release.Waiting:
		if !waits && (len(r.Steps) > 0 || r.Until == nil) { // a look can be put off, too
			wrong("that it waits, and no step does")
		}
	case release.Stopped, release.Failed:
		if len(r.Problems) == 0 {
			wrong("%s and not why", r.Outcome)
		}
		if len(r.Steps) > 0 && !slices.ContainsFunc(r.Steps, func(s release.ReportStep) bool { return s.Attempts > 0 }) && writes > 0 {
			wrong("that no step began, and it changed something")
		}
		for _, problem := range r.Problems {
			if strings.Contains(problem.Hint, "Nothing was uploaded") && uploads > 0 {
				wrong("that nothing was uploaded, and it uploaded %d crates", uploads)
			}
		}
	default:
		wrong("the outcome %q", r.Outcome)
	}
}
