package githubtwin_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-github/v62/github"

	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
)

const dispatches = "/actions/workflows/release.yml/dispatches"

func TestDispatch(t *testing.T) {
	seen := make(chan githubtwin.Dispatch)
	finish := make(chan string)
	w := newWorld(t, func(c *githubtwin.Config) {
		c.OnDispatch = func(ctx context.Context, d githubtwin.Dispatch) string {
			seen <- d
			select {
			case conclusion := <-finish:
				return conclusion
			case <-ctx.Done():
				return "cancelled"
			}
		}
	})
	ctx := t.Context()
	if err := w.twin.PushBranch(ctx, "release/v3", w.head); err != nil {
		t.Fatal(err)
	}
	inputs := obj{"tag": "v3", "nonce": "n1"}
	a := w.want(200, "workflow_run_id", "POST", dispatches, obj{"ref": "release/v3", "inputs": inputs, "return_run_details": true})
	id := int64(a.json["workflow_run_id"].(float64))
	d := <-seen
	if d.Ref != "release/v3" || d.SHA != w.head || d.Workflow != "release.yml" || d.RunID != id || d.Inputs["tag"] != "v3" || d.Inputs["mode"] != "dry" {
		t.Errorf("dispatch: %+v", d)
	}
	c := w.client("")
	run, _, err := c.Actions.GetWorkflowRunByID(ctx, owner, repo, id)
	if err != nil || run.GetStatus() != "in_progress" || run.GetHeadBranch() != "release/v3" || run.GetHeadSHA() != w.head || run.GetDisplayTitle() != "release v3 (n1)" {
		t.Fatalf("run: %v %v", run, err)
	}
	finish <- "failure"
	if err := w.twin.Close(); err != nil {
		t.Fatal(err)
	}
	runs, _, err := c.Actions.ListWorkflowRunsByFileName(ctx, owner, repo, "release.yml", &github.ListWorkflowRunsOptions{
		Event: "workflow_dispatch", Branch: "release/v3", Status: "completed", Created: ">=" + run.GetCreatedAt().UTC().Format("2006-01-02T15:04:05Z")})
	if err != nil || runs.GetTotalCount() != 1 || runs.WorkflowRuns[0].GetConclusion() != "failure" {
		t.Fatalf("runs: %v %v", runs, err)
	}
	for _, other := range []string{"?branch=main", "?event=push", "?status=queued", "?created=<2020-01-01", "?created=2020-01-01..2021-01-01"} {
		w.want(200, `"total_count":0`, "GET", "/actions/runs"+other, nil)
	}
	w.want(200, `"total_count":1`, "GET", "/actions/runs?created=2020-01-01..*", nil)
	w.want(409, "", "POST", fmt.Sprintf("/actions/runs/%d/cancel", id), nil)
}

func TestDispatchRefusals(t *testing.T) {
	w := newWorld(t, func(c *githubtwin.Config) { c.NeverStarts = true })
	good := obj{"tag": "v1"}
	w.want(422, "No ref found for: none", "POST", dispatches, obj{"ref": "none", "inputs": good})
	w.want(422, "No ref found for: "+w.head, "POST", dispatches, obj{"ref": w.head, "inputs": good})
	w.want(422, "Workflow does not have 'workflow_dispatch' trigger", "POST", dispatches, obj{"ref": "side", "inputs": good})
	w.want(422, "Workflow does not have 'workflow_dispatch' trigger", "POST", "/actions/workflows/ci.yml/dispatches", obj{"ref": "main"})
	w.want(404, "Not Found", "POST", "/actions/workflows/none.yml/dispatches", obj{"ref": "main"})
	w.want(422, "Required input 'tag' not provided", "POST", dispatches, obj{"ref": "main"})
	w.want(422, `Unexpected inputs provided`, "POST", dispatches, obj{"ref": "main", "inputs": obj{"tag": "v1", "other": "x"}})
	w.want(422, "not in the list of allowed values", "POST", dispatches, obj{"ref": "main", "inputs": obj{"tag": "v1", "mode": "x"}})
	w.want(204, "", "POST", dispatches, obj{"ref": "main", "inputs": good})
	w.want(200, "run_url", "POST", dispatches, obj{"ref": "refs/heads/main", "inputs": good}, "X-GitHub-Api-Version: 2026-03-10")
	for _, r := range w.twin.Runs() {
		if r.Status != "queued" {
			t.Errorf("run %d is %s", r.ID, r.Status)
		}
		w.want(202, "", "POST", fmt.Sprintf("/actions/runs/%d/cancel", r.ID), nil)
	}
	w.want(200, `"total_count":2`, "GET", "/actions/runs?status=cancelled", nil)
	a := w.want(200, `"total_count":2`, "GET", "/actions/workflows", nil)
	flow := a.json["workflows"].([]any)[1].(obj)
	w.want(200, `"name":"Release"`, "GET", "/actions/workflows/"+jsonNumber(flow["id"]), nil)
	w.want(200, `"name":"Release"`, "GET", "/actions/workflows/release.yml", nil)
}

func TestOldServer(t *testing.T) {
	w := newWorld(t, func(c *githubtwin.Config) { c.OldServer = true })
	w.want(422, "return_run_details", "POST", dispatches, obj{"ref": "main", "inputs": obj{"tag": "v1"}, "return_run_details": true})
	w.want(204, "", "POST", dispatches, obj{"ref": "main", "inputs": obj{"tag": "v1"}})
}

func TestWorkflowForms(t *testing.T) {
	w := newWorld(t)
	for on, want := range map[string]int{"on: workflow_dispatch\n": 204, "on: [push, workflow_dispatch]\n": 204, "on: {workflow_dispatch: }\n": 204, "'on': {workflow_dispatch: {}}\n": 204,
		"on: push\n": 422, "on: [\n": 422, "": 422} {
		w.head = w.commit("workflow "+on, map[string]string{".github/workflows/w.yml": on}, w.head)
		if err := w.twin.PushBranch(t.Context(), "main", w.head); err != nil {
			t.Fatal(err)
		}
		w.want(want, "", "POST", "/actions/workflows/w.yml/dispatches", obj{"ref": "main"})
		w.want(200, `"total_count":1`, "GET", "/actions/workflows", nil)
	}
}

func TestIssues(t *testing.T) {
	w := newWorld(t)
	w.twin.AddIssue("blocks", "release-blocker", "bug")
	w.twin.AddPullRequest("a fix", "release-blocker")
	w.twin.CloseIssue(w.twin.AddIssue("was blocking", "release-blocker"))
	c := w.client("")
	list, _, err := c.Issues.ListByRepo(t.Context(), owner, repo, &github.IssueListByRepoOptions{Labels: []string{"Release-Blocker"}})
	if err != nil || len(list) != 2 || !list[0].IsPullRequest() || list[1].IsPullRequest() || list[1].GetTitle() != "blocks" {
		t.Errorf("blockers: %v %v", list, err)
	}
	w.want(200, "was blocking", "GET", "/issues?state=closed", nil)
	w.want(200, "[]", "GET", "/issues?labels=bug,other", nil)
	a := w.want(201, "new one", "POST", "/issues", obj{"title": "new one", "body": "text", "labels": []string{"bug"}})
	one := "/issues/" + jsonNumber(a.json["number"])
	w.want(200, `"state":"closed"`, "PATCH", one, obj{"state": "closed", "labels": []string{"done"}})
	w.want(200, "done", "GET", one+"/labels", nil)
	w.want(200, `"closed_at":"2`, "GET", one, nil)
	w.want(404, "", "GET", "/issues/99", nil)
	w.want(201, "fresh", "POST", "/labels", obj{"name": "fresh", "color": "ff0000"})
	w.want(422, "already_exists", "POST", "/labels", obj{"name": "fresh"})
	w.want(200, "fresh", "GET", "/labels", nil)
	if n := strings.Count(string(w.do("GET", "/labels?per_page=2", nil).body), "node_id"); n != 2 {
		t.Errorf("labels on a page of two: %d", n)
	}
}
