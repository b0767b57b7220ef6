package githubtwin

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
	"time"

	"github.com/goccy/go-yaml"

	"github.com/tagboat/tagboat/internal/rehearsal/gitstore"
)

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
func (t *Twin) workflows(ctx context.Context, ref string) ([]workflow, error) {
	tree, err := t.treeAt(ctx, ref)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var out []workflow
	for _, e := range tree {
		ext := path.Ext(e.Path)
		if path.Dir(e.Path)+"/" != workflowFolder || ext != ".yml" && ext != ".yaml" {
			continue
		}
		content, err := t.cfg.Refs.Blob(ctx, e.SHA)
		if err != nil {
			return nil, err
		}
		out = append(out, parseWorkflow(e.Path, content))
	}
	return out, nil
}

// flowID numbers a workflow path for good.
func (t *Twin) flowID(file string) int64 {
	if t.flows[file] == 0 {
		t.flows[file] = t.id()
	}
	return t.flows[file]
}

func (t *Twin) workflowObject(c *call, w workflow) object {
	id := t.flowID(w.path)
	return object{
		"id": id, "node_id": nodeID("Workflow", id), "name": w.name, "path": w.path, "state": "active", "created_at": stamp(t.born), "updated_at": stamp(t.born),
		"url": fmt.Sprintf("%s/actions/workflows/%d", c.urls.repo, id), "html_url": c.urls.html + "/blob/" + escape(t.cfg.DefaultBranch+"/"+w.path),
		"badge_url": c.urls.html + "/workflows/" + escape(w.name) + "/badge.svg",
	}
}

func (t *Twin) listWorkflows(c *call) reply {
	all, err := t.workflows(c.Context(), "refs/heads/"+t.cfg.DefaultBranch)
	if err != nil {
		return trouble(err)
	}
	list, header := page(c, all)
	out := []object{}
	for _, w := range list {
		out = append(out, t.workflowObject(c, w))
	}
	return reply{status: http.StatusOK, body: object{"total_count": len(all), "workflows": out}, header: header}
}

// workflow finds the workflow that the request names by file or id: it is on the default branch, or it has run before.
func (t *Twin) workflow(c *call) (workflow, bool, error) {
	wanted := c.params["workflow"]
	all, err := t.workflows(c.Context(), "refs/heads/"+t.cfg.DefaultBranch)
	for _, r := range t.started {
		all = append(all, r.flow)
	}
	for _, w := range all {
		if path.Base(w.path) == wanted || t.flowID(w.path) == number(wanted) {
			return w, true, err
		}
	}
	return workflow{}, false, err
}

func (t *Twin) getWorkflow(c *call) reply {
	w, known, err := t.workflow(c)
	switch {
	case err != nil:
		return trouble(err)
	case !known:
		return notFound()
	}
	return ok(t.workflowObject(c, w))
}

// dispatch starts a run. https://docs.github.com/rest/actions/workflows#create-a-workflow-dispatch-event
func (t *Twin) dispatch(c *call) reply {
	var in struct {
		Ref     string          `json:"ref"`
		Inputs  map[string]any  `json:"inputs"`
		Details json.RawMessage `json:"return_run_details"`
	}
	if rep, good := c.decode(&in); !good {
		return rep
	}
	if t.cfg.OldServer && in.Details != nil {
		return unprocessable("Invalid request.\n\n\"return_run_details\" is not a permitted key.")
	}
	listed, known, err := t.workflow(c)
	switch {
	case err != nil:
		return trouble(err)
	case !known:
		return notFound()
	}
	ref, err := t.dispatchRef(c.Context(), in.Ref)
	if errors.Is(err, gitstore.ErrNotFound) {
		return unprocessable("No ref found for: " + in.Ref)
	}
	if err != nil {
		return trouble(err)
	}
	there, err := t.workflows(c.Context(), ref)
	if err != nil {
		return trouble(err)
	}
	i := slices.IndexFunc(there, func(w workflow) bool { return w.path == listed.path })
	if i < 0 || !there[i].dispatchable {
		return unprocessable("Workflow does not have 'workflow_dispatch' trigger")
	}
	inputs, problem := there[i].takeInputs(in.Inputs)
	if problem != "" {
		return unprocessable(problem)
	}
	sha, err := gitstore.Resolve(c.Context(), t.cfg.Refs, ref)
	if err != nil {
		return trouble(err)
	}
	r := t.start(there[i], Dispatch{Workflow: path.Base(listed.path), Ref: in.Ref, SHA: sha, Inputs: inputs}, ref)
	if !t.cfg.OldServer && (string(in.Details) == "true" || c.version() >= "2026-03-10") {
		self := fmt.Sprintf("/actions/runs/%d", r.id)
		return ok(object{"workflow_run_id": r.id, "run_url": c.urls.repo + self, "html_url": c.urls.html + self})
	}
	return noContent()
}

// dispatchRef turns a branch or tag name into its full ref; a commit id is refused as GitHub refuses it.
func (t *Twin) dispatchRef(ctx context.Context, name string) (string, error) {
	for _, full := range []string{"refs/heads/" + name, "refs/tags/" + name, name} {
		if _, err := t.cfg.Refs.Ref(ctx, full); !errors.Is(err, gitstore.ErrNotFound) {
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

// Runs returns all runs, oldest first.
func (t *Twin) Runs() []Run {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []Run
	for _, r := range slices.Backward(t.newestRuns()) {
		out = append(out, Run{ID: r.id, Status: r.status, Conclusion: r.conclusion, Dispatch: r.dispatch})
	}
	return out
}

func (t *Twin) newestRuns() []*run {
	out := make([]*run, 0, len(t.started))
	for _, r := range t.started {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *run) int { return int(b.id - a.id) })
	return out
}

var inputExpression = regexp.MustCompile(`\$\{\{\s*(?:github\.event\.)?inputs\.([A-Za-z0-9_-]+)\s*\}\}`)

// start queues a run and lets it live.
func (t *Twin) start(w workflow, d Dispatch, ref string) *run {
	d.RunID = t.id()
	r := &run{id: d.RunID, number: int64(len(t.started) + 1), flow: w, ref: ref, dispatch: d, status: "queued", created: now(), updated: now(), title: w.name}
	if w.runName != "" {
		r.title = inputExpression.ReplaceAllStringFunc(w.runName, func(s string) string { return d.Inputs[inputExpression.FindStringSubmatch(s)[1]] })
	}
	t.started[r.id] = r
	t.wrote("dispatch", "%s %s %d", d.Workflow, d.Ref, d.RunID)
	ctx, cancel := context.WithCancel(t.ctx)
	r.cancel = cancel
	if !t.cfg.NeverStarts && t.ctx.Err() == nil {
		t.runs.Go(func() { t.live(ctx, r) })
	}
	return r
}

// live takes a run from queued to completed. The end of the twin leaves it where it is.
func (t *Twin) live(ctx context.Context, r *run) {
	defer r.cancel()
	wait := time.NewTimer(t.cfg.StartDelay)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return
	case <-wait.C:
	}
	if !t.turn(r, "in_progress", "") {
		return
	}
	conclusion := "success"
	if t.cfg.OnDispatch != nil {
		conclusion = t.cfg.OnDispatch(ctx, r.dispatch)
	}
	t.turn(r, "completed", conclusion)
}

// turn moves a run on, unless it has ended already.
func (t *Twin) turn(r *run, status, conclusion string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.status == "completed" {
		return false
	}
	if status == "in_progress" {
		r.started = now()
	}
	r.status, r.conclusion, r.updated = status, conclusion, now()
	return true
}

func (t *Twin) cancelRun(c *call) reply {
	r := t.started[number(c.params["run"])]
	switch {
	case r == nil:
		return notFound()
	case r.status == "completed":
		return fail(http.StatusConflict, "Cannot cancel a workflow run that is completed.")
	}
	r.status, r.conclusion, r.updated = "completed", "cancelled", now()
	r.cancel()
	t.wrote("cancel-run", "%d", r.id)
	return reply{status: http.StatusAccepted, body: object{}}
}

func (t *Twin) runObject(c *call, r *run) (object, error) {
	k, err := t.cfg.Refs.Commit(c.Context(), r.dispatch.SHA)
	if err != nil {
		return nil, err
	}
	self := fmt.Sprintf("%s/actions/runs/%d", c.urls.repo, r.id)
	var conclusion any
	if r.conclusion != "" {
		conclusion = r.conclusion
	}
	flow := t.flowID(r.flow.path)
	started := r.started
	if started.IsZero() {
		started = r.created
	}
	repository := t.minimalRepository(c)
	return object{
		"id": r.id, "node_id": nodeID("WorkflowRun", r.id), "name": r.flow.name, "head_branch": gitstore.Ref{Name: r.ref}.Short(), "head_sha": r.dispatch.SHA,
		"run_number": r.number, "run_attempt": 1, "display_title": r.title, "event": "workflow_dispatch", "status": r.status, "conclusion": conclusion,
		"path": r.flow.path, "workflow_id": flow, "url": self, "html_url": fmt.Sprintf("%s/actions/runs/%d", c.urls.html, r.id),
		"created_at": stamp(r.created), "updated_at": stamp(r.updated), "run_started_at": stamp(started), "pull_requests": []object{},
		"jobs_url": self + "/jobs", "logs_url": self + "/logs", "cancel_url": self + "/cancel", "rerun_url": self + "/rerun", "artifacts_url": self + "/artifacts",
		"check_suite_url": fmt.Sprintf("%s/check-suites/%d", c.urls.repo, r.id), "check_suite_id": r.id, "workflow_url": fmt.Sprintf("%s/actions/workflows/%d", c.urls.repo, flow),
		"head_commit": object{"id": k.SHA, "tree_id": k.Tree, "message": k.Message, "timestamp": stamp(k.Committer.When),
			"author":    object{"name": k.Author.Name, "email": k.Author.Email},
			"committer": object{"name": k.Committer.Name, "email": k.Committer.Email}},
		"repository": repository, "head_repository": repository, "actor": t.user(c), "triggering_actor": t.user(c),
	}, nil
}

func (t *Twin) getRun(c *call) reply {
	r := t.started[number(c.params["run"])]
	if r == nil {
		return notFound()
	}
	body, err := t.runObject(c, r)
	if err != nil {
		return trouble(err)
	}
	return ok(body)
}

func (t *Twin) listRuns(c *call) reply {
	q := c.URL.Query()
	var flow int64
	if c.params["workflow"] != "" {
		w, known, err := t.workflow(c)
		switch {
		case err != nil:
			return trouble(err)
		case !known:
			return notFound()
		}
		flow = t.flowID(w.path)
	}
	within, good := createdFilter(q.Get("created"))
	if !good {
		return unprocessable("created is not a valid date or range")
	}
	is := func(filter, value string) bool { return q.Get(filter) == "" || q.Get(filter) == value }
	var matching []*run
	for _, r := range t.newestRuns() {
		status := is("status", r.status) || q.Get("status") == r.conclusion
		if status && within(r.created) && is("event", "workflow_dispatch") && is("branch", gitstore.Ref{Name: r.ref}.Short()) &&
			is("head_sha", r.dispatch.SHA) && is("actor", t.cfg.Actor) && (flow == 0 || flow == t.flowID(r.flow.path)) {
			matching = append(matching, r)
		}
	}
	list, header := page(c, matching)
	out := []object{}
	for _, r := range list {
		body, err := t.runObject(c, r)
		if err != nil {
			return trouble(err)
		}
		out = append(out, body)
	}
	return reply{status: http.StatusOK, body: object{"total_count": len(matching), "workflow_runs": out}, header: header}
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
