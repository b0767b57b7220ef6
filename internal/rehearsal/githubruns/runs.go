// Package githubruns is the Actions side of an embedded GitHub: workflow files, dispatches and the runs they start.
package githubruns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

type (
	call   = githubapi.Call
	reply  = githubapi.Reply
	object = githubapi.Object
)

// Dispatch is one workflow run that was asked for. Ref is as the caller gave it, SHA the commit it stood for.
type Dispatch struct {
	Workflow, Ref, SHA string
	Inputs             map[string]string
	RunID              int64
}

// Config says how runs live.
type Config struct {
	Refs        gitstore.Store
	OldServer   bool                                                      // the dispatch endpoint refuses return_run_details, as Enterprise Server 3.20 does
	NeverStarts bool                                                      // runs stay queued
	StartDelay  time.Duration                                             // how long runs stay queued
	OnDispatch  func(ctx context.Context, d Dispatch) (conclusion string) // the run itself; nil is "success" at once
}

// Runs are the workflow runs of one repository. Methods named after operations are called under Site.Mu by the site.
type Runs struct {
	site  *githubapi.Site
	refs  gitstore.Store
	cfg   Config
	ctx   context.Context // of the runs; ends with Close
	stop  context.CancelFunc
	alive sync.WaitGroup

	started map[int64]*run
	flows   map[string]int64 // workflow path to id
}

// New returns the runs of a site, none so far.
func New(site *githubapi.Site, cfg Config) *Runs {
	s := &Runs{site: site, refs: cfg.Refs, cfg: cfg, started: map[int64]*run{}, flows: map[string]int64{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// Close ends the runs' context and waits for them.
func (s *Runs) Close() {
	s.stop()
	s.alive.Wait()
}

const workflowFolder = ".github/workflows/"

// workflow is what counts of a workflow file.
type workflow struct {
	path, name, runName string
	dispatchable        bool
	inputs              map[string]workflowInput
}

type workflowInput struct {
	Required bool     `yaml:"required"`
	Default  any      `yaml:"default"`
	Type     string   `yaml:"type"`
	Options  []string `yaml:"options"`
}

// parseWorkflow reads a workflow file leniently: like GitHub, it lists a file that it cannot read, under its path.
func parseWorkflow(file string, content []byte) workflow {
	w := workflow{path: file, name: file}
	var doc struct {
		Name    string `yaml:"name"`
		RunName string `yaml:"run-name"`
		On      any    `yaml:"on"`
	}
	if yaml.Unmarshal(content, &doc) != nil {
		return w
	}
	w.runName = doc.RunName
	if doc.Name != "" {
		w.name = doc.Name
	}
	switch on := doc.On.(type) {
	case string:
		w.dispatchable = on == "workflow_dispatch"
	case []any:
		w.dispatchable = slices.Contains(on, any("workflow_dispatch"))
	case map[string]any:
		var trigger any
		trigger, w.dispatchable = on["workflow_dispatch"]
		var spec struct {
			Inputs map[string]workflowInput `yaml:"inputs"`
		}
		if b, err := yaml.Marshal(trigger); err == nil && yaml.Unmarshal(b, &spec) == nil {
			w.inputs = spec.Inputs
		}
	}
	return w
}

// workflows returns the workflow files of a commit-ish, sorted by path.
func (s *Runs) workflows(ctx context.Context, ref string) ([]workflow, error) {
	tree, err := gitstore.TreeAt(ctx, s.refs, ref)
	if err != nil && !errors.Is(err, gitstore.ErrNotFound) {
		return nil, err
	}
	var out []workflow
	for _, e := range tree {
		ext := path.Ext(e.Path)
		if path.Dir(e.Path)+"/" != workflowFolder || ext != ".yml" && ext != ".yaml" {
			continue
		}
		content, err := s.refs.Blob(ctx, e.SHA)
		if err != nil {
			return nil, err
		}
		out = append(out, parseWorkflow(e.Path, content))
	}
	return out, nil
}

// flowID numbers a workflow path for good.
func (s *Runs) flowID(file string) int64 {
	if s.flows[file] == 0 {
		s.flows[file] = s.site.NextID()
	}
	return s.flows[file]
}

func (s *Runs) workflowObject(c *call, w workflow) object {
	id := s.flowID(w.path)
	return object{
		"id": id, "node_id": githubapi.NodeID("Workflow", id), "name": w.name, "path": w.path, "state": "active", "created_at": githubapi.Stamp(s.site.Born), "updated_at": githubapi.Stamp(s.site.Born),
		"url": fmt.Sprintf("%s/actions/workflows/%d", c.URLs.Repo, id), "html_url": c.URLs.HTML + "/blob/" + githubapi.Escape(s.site.DefaultBranch+"/"+w.path),
		"badge_url": c.URLs.HTML + "/workflows/" + githubapi.Escape(w.name) + "/badge.svg",
	}
}

// ListWorkflows answers GET actions/workflows: those of the default branch.
func (s *Runs) ListWorkflows(c *call) reply {
	all, err := s.workflows(c.Context(), "refs/heads/"+s.site.DefaultBranch)
	if err != nil {
		return githubapi.Trouble(err)
	}
	list, header := githubapi.Page(c, all)
	out := []object{}
	for _, w := range list {
		out = append(out, s.workflowObject(c, w))
	}
	return reply{Status: http.StatusOK, Body: object{"total_count": len(all), "workflows": out}, Header: header}
}

// workflow finds the workflow that the request names by file or id: it is on the default branch, or it has run before.
func (s *Runs) workflow(c *call) (workflow, bool, error) {
	wanted := c.Params["workflow"]
	all, err := s.workflows(c.Context(), "refs/heads/"+s.site.DefaultBranch)
	for _, r := range s.started {
		all = append(all, r.flow)
	}
	for _, w := range all {
		if path.Base(w.path) == wanted || s.flowID(w.path) == githubapi.Number(wanted) {
			return w, true, err
		}
	}
	return workflow{}, false, err
}

// GetWorkflow answers GET actions/workflows/{file or id}.
func (s *Runs) GetWorkflow(c *call) reply {
	w, known, err := s.workflow(c)
	switch {
	case err != nil:
		return githubapi.Trouble(err)
	case !known:
		return githubapi.NotFound()
	}
	return githubapi.OK(s.workflowObject(c, w))
}

// Dispatch answers POST actions/workflows/{workflow}/dispatches: it starts a run. https://docs.github.com/rest/actions/workflows#create-a-workflow-dispatch-event
func (s *Runs) Dispatch(c *call) reply {
	var in struct {
		Ref     string          `json:"ref"`
		Inputs  map[string]any  `json:"inputs"`
		Details json.RawMessage `json:"return_run_details"`
	}
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	if s.cfg.OldServer && in.Details != nil {
		return githubapi.Unprocessable("Invalid request.\n\n\"return_run_details\" is not a permitted key.")
	}
	listed, known, err := s.workflow(c)
	switch {
	case err != nil:
		return githubapi.Trouble(err)
	case !known:
		return githubapi.NotFound()
	}
	ref, err := s.dispatchRef(c.Context(), in.Ref)
	if errors.Is(err, gitstore.ErrNotFound) {
		return githubapi.Unprocessable("No ref found for: " + in.Ref)
	}
	if err != nil {
		return githubapi.Trouble(err)
	}
	there, err := s.workflows(c.Context(), ref)
	if err != nil {
		return githubapi.Trouble(err)
	}
	i := slices.IndexFunc(there, func(w workflow) bool { return w.path == listed.path })
	if i < 0 || !there[i].dispatchable {
		return githubapi.Unprocessable("Workflow does not have 'workflow_dispatch' trigger")
	}
	inputs, problem := there[i].takeInputs(in.Inputs)
	if problem != "" {
		return githubapi.Unprocessable(problem)
	}
	sha, err := gitstore.Resolve(c.Context(), s.refs, ref)
	if err != nil {
		return githubapi.Trouble(err)
	}
	r := s.start(there[i], Dispatch{Workflow: path.Base(listed.path), Ref: in.Ref, SHA: sha, Inputs: inputs}, ref)
	if !s.cfg.OldServer && (string(in.Details) == "true" || c.Version() >= "2026-03-10") {
		self := fmt.Sprintf("/actions/runs/%d", r.id)
		return githubapi.OK(object{"workflow_run_id": r.id, "run_url": c.URLs.Repo + self, "html_url": c.URLs.HTML + self})
	}
	return githubapi.NoContent()
}

// dispatchRef turns a branch or tag name into its full ref; a commit id is refused as GitHub refuses it.
func (s *Runs) dispatchRef(ctx context.Context, name string) (string, error) {
	for _, full := range []string{"refs/heads/" + name, "refs/tags/" + name, name} {
		if _, err := s.refs.Ref(ctx, full); !errors.Is(err, gitstore.ErrNotFound) {
			return full, err
		}
	}
	return "", gitstore.ErrNotFound
}

// takeInputs checks the inputs of a dispatch and fills in defaults. What is wrong comes back in GitHub's words.
func (w workflow) takeInputs(given map[string]any) (inputs map[string]string, problem string) {
	inputs = map[string]string{}
	var unexpected []string
	for name, value := range given {
		spec, known := w.inputs[name]
		if !known {
			unexpected = append(unexpected, name)
			continue
		}
		inputs[name] = fmt.Sprint(value)
		if spec.Type == "choice" && !slices.Contains(spec.Options, inputs[name]) {
			return nil, fmt.Sprintf("Provided value '%s' for input '%s' not in the list of allowed values", inputs[name], name)
		}
	}
	if len(unexpected) > 0 {
		slices.Sort(unexpected)
		return nil, fmt.Sprintf("Unexpected inputs provided: [\"%s\"]", strings.Join(unexpected, `", "`))
	}
	for name, spec := range w.inputs {
		if inputs[name] != "" {
			continue
		}
		if spec.Default != nil {
			inputs[name] = fmt.Sprint(spec.Default)
		} else if spec.Required {
			return nil, fmt.Sprintf("Required input '%s' not provided", name)
		}
	}
	return inputs, ""
}

// run is one workflow run.
type run struct {
	id, number                int64
	flow                      workflow
	ref, title                string
	dispatch                  Dispatch
	status, conclusion        string
	created, started, updated time.Time
	cancel                    context.CancelFunc
}

// Run is a run as it is now. Status is "queued", "in_progress" or "completed".
type Run struct {
	ID                 int64
	Status, Conclusion string
	Dispatch           Dispatch
}

// All returns all runs, oldest first.
func (s *Runs) All() []Run {
	s.site.Mu.Lock()
	defer s.site.Mu.Unlock()
	var out []Run
	for _, r := range slices.Backward(s.newestRuns()) {
		out = append(out, Run{ID: r.id, Status: r.status, Conclusion: r.conclusion, Dispatch: r.dispatch})
	}
	return out
}

func (s *Runs) newestRuns() []*run {
	out := make([]*run, 0, len(s.started))
	for _, r := range s.started {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *run) int { return int(b.id - a.id) })
	return out
}

var inputExpression = regexp.MustCompile(`\$\{\{\s*(?:github\.event\.)?inputs\.([A-Za-z0-9_-]+)\s*\}\}`)

// start queues a run and lets it live.
func (s *Runs) start(w workflow, d Dispatch, ref string) *run {
	d.RunID = s.site.NextID()
	r := &run{id: d.RunID, number: int64(len(s.started) + 1), flow: w, ref: ref, dispatch: d, status: "queued", created: githubapi.Now(), updated: githubapi.Now(), title: w.name}
	if w.runName != "" {
		r.title = inputExpression.ReplaceAllStringFunc(w.runName, func(s string) string { return d.Inputs[inputExpression.FindStringSubmatch(s)[1]] })
	}
	s.started[r.id] = r
	s.site.Wrote("dispatch", "%s %s %d", d.Workflow, d.Ref, d.RunID)
	ctx, cancel := context.WithCancel(s.ctx)
	r.cancel = cancel
	if !s.cfg.NeverStarts && s.ctx.Err() == nil {
		s.alive.Go(func() { s.live(ctx, r) })
	}
	return r
}

// live takes a run from queued to completed. The end of the twin leaves it where it is.
func (s *Runs) live(ctx context.Context, r *run) {
	defer r.cancel()
	wait := time.NewTimer(s.cfg.StartDelay)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return
	case <-wait.C:
	}
	if !s.turn(r, "in_progress", "") {
		return
	}
	conclusion := "success"
	if s.cfg.OnDispatch != nil {
		conclusion = s.cfg.OnDispatch(ctx, r.dispatch)
	}
	s.turn(r, "completed", conclusion)
}

// turn moves a run on, unless it has ended already.
func (s *Runs) turn(r *run, status, conclusion string) bool {
	s.site.Mu.Lock()
	defer s.site.Mu.Unlock()
	if r.status == "completed" {
		return false
	}
	if status == "in_progress" {
		r.started = githubapi.Now()
	}
	r.status, r.conclusion, r.updated = status, conclusion, githubapi.Now()
	return true
}

// CancelRun answers POST actions/runs/{run}/cancel.
func (s *Runs) CancelRun(c *call) reply {
	r := s.started[githubapi.Number(c.Params["run"])]
	switch {
	case r == nil:
		return githubapi.NotFound()
	case r.status == "completed":
		return githubapi.Fail(http.StatusConflict, "Cannot cancel a workflow run that is completed.")
	}
	r.status, r.conclusion, r.updated = "completed", "cancelled", githubapi.Now()
	r.cancel()
	s.site.Wrote("cancel-run", "%d", r.id)
	return reply{Status: http.StatusAccepted, Body: object{}}
}

func (s *Runs) runObject(c *call, r *run) (object, error) {
	k, err := s.refs.Commit(c.Context(), r.dispatch.SHA)
	if err != nil {
		return nil, err
	}
	self := fmt.Sprintf("%s/actions/runs/%d", c.URLs.Repo, r.id)
	var conclusion any
	if r.conclusion != "" {
		conclusion = r.conclusion
	}
	flow := s.flowID(r.flow.path)
	started := r.started
	if started.IsZero() {
		started = r.created
	}
	repository := s.site.MinimalRepository(c)
	return object{
		"id": r.id, "node_id": githubapi.NodeID("WorkflowRun", r.id), "name": r.flow.name, "head_branch": gitstore.Ref{Name: r.ref}.Short(), "head_sha": r.dispatch.SHA,
		"run_number": r.number, "run_attempt": 1, "display_title": r.title, "event": "workflow_dispatch", "status": r.status, "conclusion": conclusion,
		"path": r.flow.path, "workflow_id": flow, "url": self, "html_url": fmt.Sprintf("%s/actions/runs/%d", c.URLs.HTML, r.id),
		"created_at": githubapi.Stamp(r.created), "updated_at": githubapi.Stamp(r.updated), "run_started_at": githubapi.Stamp(started), "pull_requests": []object{},
		"jobs_url": self + "/jobs", "logs_url": self + "/logs", "cancel_url": self + "/cancel", "rerun_url": self + "/rerun", "artifacts_url": self + "/artifacts",
		"check_suite_url": fmt.Sprintf("%s/check-suites/%d", c.URLs.Repo, r.id), "check_suite_id": r.id, "workflow_url": fmt.Sprintf("%s/actions/workflows/%d", c.URLs.Repo, flow),
		"head_commit": object{"id": k.SHA, "tree_id": k.Tree, "message": k.Message, "timestamp": githubapi.Stamp(k.Committer.When),
			"author":    object{"name": k.Author.Name, "email": k.Author.Email},
			"committer": object{"name": k.Committer.Name, "email": k.Committer.Email}},
		"repository": repository, "head_repository": repository, "actor": s.site.User(c), "triggering_actor": s.site.User(c),
	}, nil
}

// GetRun answers GET actions/runs/{run}.
func (s *Runs) GetRun(c *call) reply {
	r := s.started[githubapi.Number(c.Params["run"])]
	if r == nil {
		return githubapi.NotFound()
	}
	body, err := s.runObject(c, r)
	if err != nil {
		return githubapi.Trouble(err)
	}
	return githubapi.OK(body)
}

// ListRuns answers GET actions/runs and the same of one workflow, newest first.
func (s *Runs) ListRuns(c *call) reply {
	q := c.URL.Query()
	var flow int64
	if c.Params["workflow"] != "" {
		w, known, err := s.workflow(c)
		switch {
		case err != nil:
			return githubapi.Trouble(err)
		case !known:
			return githubapi.NotFound()
		}
		flow = s.flowID(w.path)
	}
	within, good := createdFilter(q.Get("created"))
	if !good {
		return githubapi.Unprocessable("created is not a valid date or range")
	}
	is := func(filter, value string) bool { return q.Get(filter) == "" || q.Get(filter) == value }
	var matching []*run
	for _, r := range s.newestRuns() {
		status := is("status", r.status) || q.Get("status") == r.conclusion
		if status && within(r.created) && is("event", "workflow_dispatch") && is("branch", gitstore.Ref{Name: r.ref}.Short()) &&
			is("head_sha", r.dispatch.SHA) && is("actor", s.site.Actor) && (flow == 0 || flow == s.flowID(r.flow.path)) {
			matching = append(matching, r)
		}
	}
	list, header := githubapi.Page(c, matching)
	out := []object{}
	for _, r := range list {
		body, err := s.runObject(c, r)
		if err != nil {
			return githubapi.Trouble(err)
		}
		out = append(out, body)
	}
	return reply{Status: http.StatusOK, Body: object{"total_count": len(matching), "workflow_runs": out}, Header: header}
}

// createdFilter reads GitHub's date search: a day or a time, with >, >=, <, <= in front, or a..b with * for an open end.
func createdFilter(s string) (func(time.Time) bool, bool) {
	if s == "" {
		return func(time.Time) bool { return true }, true
	}
	if from, to, isRange := strings.Cut(s, ".."); isRange {
		after, good1 := createdFilter(strings.TrimPrefix(">="+from, ">=*"))
		before, good2 := createdFilter(strings.TrimPrefix("<="+to, "<=*"))
		return func(at time.Time) bool { return after(at) && before(at) }, good1 && good2
	}
	bare := strings.TrimLeft(s, "<>=")
	op := s[:len(s)-len(bare)]
	span := time.Second
	point, err := time.Parse(time.RFC3339, bare)
	if err != nil {
		span = 24 * time.Hour
		point, err = time.Parse(time.DateOnly, bare)
	}
	return func(at time.Time) bool {
		switch op {
		case ">":
			return !at.Before(point.Add(span))
		case ">=":
			return !at.Before(point)
		case "<":
			return at.Before(point)
		case "<=":
			return at.Before(point.Add(span))
		}
		return !at.Before(point) && at.Before(point.Add(span))
	}, err == nil
}
