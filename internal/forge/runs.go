package forge

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Workflow is a workflow file that GitHub knows. State is "active", "disabled_manually", "disabled_inactivity",
// "disabled_fork" or "deleted".
type Workflow struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Path    string `json:"path"`
	State   string `json:"state"`
	HTMLURL string `json:"html_url"`
}

// Workflows lists the workflows that GitHub knows: those of the default branch and those that ever ran.
//
// https://docs.github.com/en/rest/actions/workflows#list-repository-workflows
func (c *Client) Workflows(ctx context.Context) ([]Workflow, error) {
	var all []Workflow
	err := wire.Pages(func(q url.Values) (*github.Response, error) {
		var out struct {
			Workflows []Workflow `json:"workflows"`
		}
		resp, err := c.wire.Do(ctx, wire.Call{Op: "list workflows", Method: http.MethodGet, Path: c.wire.Root() + "/actions/workflows", Query: q, Out: &out})
		all = append(all, out.Workflows...)
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Run is one run of a workflow. Status goes from "queued" over "in_progress" to "completed", with "requested",
// "waiting" and "pending" on the way; Conclusion is empty until then ("success", "failure", "cancelled", "skipped",
// "timed_out", "action_required", "neutral", "stale", "startup_failure").
//
// Only Dispatch sets the last two fields. Guessed means that GitHub did not name the run and exactly one was found that
// can be it. Candidates with an ID of 0 means that the dispatch was accepted and that its run is one of these, or, when
// there are none, that it did not show up yet.
type Run struct {
	ID         int64
	Status     string
	Conclusion string
	HTMLURL    string
	HeadSHA    string
	HeadBranch string
	Event      string
	Title      string
	Path       string
	Attempt    int
	CreatedAt  time.Time

	Guessed    bool
	Candidates []Run
}

type run struct {
	ID         int64     `json:"id"`
	Status     string    `json:"status"`
	Conclusion string    `json:"conclusion"`
	HTMLURL    string    `json:"html_url"`
	HeadSHA    string    `json:"head_sha"`
	HeadBranch string    `json:"head_branch"`
	Event      string    `json:"event"`
	Title      string    `json:"display_title"`
	Path       string    `json:"path"`
	Attempt    int       `json:"run_attempt"`
	CreatedAt  time.Time `json:"created_at"`
}

func (r run) out() Run {
	return Run{
		ID: r.ID, Status: r.Status, Conclusion: r.Conclusion, HTMLURL: r.HTMLURL, HeadSHA: r.HeadSHA, HeadBranch: r.HeadBranch,
		Event: r.Event, Title: r.Title, Path: r.Path, Attempt: r.Attempt, CreatedAt: r.CreatedAt,
	}
}

// Run reads one workflow run. A run that was dispatched a moment ago may be NotFound.
//
// https://docs.github.com/en/rest/actions/workflow-runs#get-a-workflow-run
func (c *Client) Run(ctx context.Context, id int64) (Run, error) {
	op := fmt.Sprintf("get workflow run %d", id)
	var out run
	_, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: fmt.Sprintf("%s/actions/runs/%d", c.wire.Root(), id), Out: &out})
	if err == nil && out.ID == 0 {
		err = c.wire.Malformed(op, "run without an id")
	}
	return out.out(), err
}

// Runs lists the runs of a workflow (file name or ID), newest first. An empty branch means all; branch is the name of a
// branch or tag. A zero since means all that GitHub still lists, at most 1000.
//
// https://docs.github.com/en/rest/actions/workflow-runs#list-workflow-runs-for-a-workflow
func (c *Client) Runs(ctx context.Context, workflow, branch string, since time.Time) ([]Run, error) {
	return c.runs(ctx, runQuery{workflow: workflow, branch: branch, since: since})
}

type runQuery struct {
	workflow, branch, event string
	since                   time.Time
}

func (c *Client) runs(ctx context.Context, w runQuery) ([]Run, error) {
	path := c.workflowPath(w.workflow) + "/runs"
	var all []Run
	err := wire.Pages(func(q url.Values) (*github.Response, error) {
		if w.branch != "" {
			q.Set("branch", w.branch)
		}
		if w.event != "" {
			q.Set("event", w.event)
		}
		if !w.since.IsZero() {
			q.Set("created", ">="+w.since.UTC().Format(time.RFC3339))
		}
		var out struct {
			Runs []run `json:"workflow_runs"`
		}
		resp, err := c.wire.Do(ctx, wire.Call{Op: "list runs of " + w.workflow, Method: http.MethodGet, Path: path, Query: q, Out: &out})
		for _, r := range out.Runs {
			all = append(all, r.out())
		}
		return resp, err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (c *Client) workflowPath(workflow string) string {
	return c.wire.Root() + "/actions/workflows/" + url.PathEscape(workflow)
}

// Looking for a run that GitHub did not name: it usually shows up within seconds.
const (
	sightings    = 6
	sightEvery   = 3 * time.Second
	clockLeeway  = 5 * time.Second
	dispatchable = "workflow_dispatch"
)

// Dispatch starts a workflow (file name or ID) on a branch or tag name, not a SHA, and returns the run with its ID and
// HTMLURL. It is not idempotent: after Transient a run may have started, so look with Runs.
//
// Servers that do not know return_run_details refuse it, which starts nothing, and are asked again without. Where the
// answer names no run, the runs on the same ref since are listed for some seconds; see Run for what comes back then.
// NotFound means that GitHub knows no such workflow; Refused that it cannot be dispatched there (no such ref, no
// workflow_dispatch trigger in the file at that ref, inputs it does not have).
//
// https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event
func (c *Client) Dispatch(ctx context.Context, workflow, ref string, inputs map[string]string) (Run, error) {
	body := map[string]any{"ref": ref, "return_run_details": true}
	if len(inputs) > 0 {
		body["inputs"] = inputs
	}
	query := runQuery{workflow: workflow, branch: ref, event: dispatchable, since: time.Now().Add(-clockLeeway)}
	out, resp, err := c.dispatch(ctx, workflow, ref, body)
	var known []Run
	if e, ok := err.(*Error); ok && (e.Status == http.StatusBadRequest || e.Status == http.StatusUnprocessableEntity) {
		if known, err = c.runs(ctx, query); err != nil {
			return Run{}, err
		}
		delete(body, "return_run_details")
		out, resp, err = c.dispatch(ctx, workflow, ref, body)
	}
	if err != nil || out.ID != 0 {
		return out, err
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		query.since = date.Add(-clockLeeway) // the server's clock decides what it lists
	}
	return c.sightRun(ctx, query, known)
}

func (c *Client) dispatch(ctx context.Context, workflow, ref string, body map[string]any) (Run, *github.Response, error) {
	var out struct {
		ID      int64  `json:"workflow_run_id"`
		HTMLURL string `json:"html_url"`
	}
	op := "dispatch workflow " + workflow + " on " + ref
	resp, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodPost, Path: c.workflowPath(workflow) + "/dispatches", Body: body, Out: &out})
	if err != nil || out.ID == 0 {
		return Run{}, resp, err
	}
	return Run{ID: out.ID, HTMLURL: out.HTMLURL, HeadBranch: ref, Event: dispatchable}, resp, nil
}

// sightRun looks for the run of an accepted dispatch. Its errors are not those of the dispatch, which did happen: they
// end the search with what is known.
func (c *Client) sightRun(ctx context.Context, q runQuery, known []Run) (Run, error) {
	for i := range sightings {
		list, err := c.runs(ctx, q)
		if err != nil {
			if ctx.Err() != nil {
				return Run{}, err
			}
			return Run{}, nil
		}
		list = slices.DeleteFunc(list, func(r Run) bool {
			return slices.ContainsFunc(known, func(k Run) bool { return k.ID == r.ID })
		})
		switch {
		case len(list) == 1:
			list[0].Guessed = true
			return list[0], nil
		case len(list) > 1:
			return Run{Candidates: list}, nil
		}
		if i == sightings-1 {
			break
		}
		select {
		case <-time.After(sightEvery):
		case <-ctx.Done():
			return Run{}, &Error{Op: "find the dispatched run of " + q.workflow + " in " + c.wire.Slug(), Class: Interrupted, Err: ctx.Err()}
		}
	}
	return Run{}, nil
}
