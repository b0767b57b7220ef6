// Package dispatch starts the workflow that builds a release, on the release branch, and follows its run.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
)

// Workflow is a release workflow and its run.
type Workflow struct {
	Forge        *forge.Client
	File, Branch string
	Commits      []string      // a run at one of them is ours
	Public       bool          // the release is public: a run that has succeeded is the one that made it
	StartTimeout time.Duration // a run must have left the queue by then
	RunTimeout   time.Duration // a run is not followed any longer
	Poll         time.Duration // between two looks
	Detach       bool          // a run that has started is not followed

	mu  sync.Mutex
	run forge.Run // that this process follows
}

// URL is where people see the run, "" before there is one.
func (w *Workflow) URL() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.run.HTMLURL
}

// Run starts the workflow, unless a run of ours is there, and follows it: starting and awaiting are one, since a start
// without an answer can only be judged by looking for the run.
func (w *Workflow) Run(ctx context.Context) (converge.Outcome, error) {
	run, err := w.ourRun(ctx)
	if err != nil {
		return converge.Outcome{}, err
	}
	if run.ID == 0 {
		converge.Phase(ctx, "starting")
		if run, err = w.Forge.Dispatch(ctx, w.File, w.Branch, nil); err != nil {
			return converge.Outcome{}, refused(err, w.File)
		}
		w.follows(run)
	}
	if run, err = w.awaitStart(ctx, run); err != nil {
		return converge.Outcome{}, err
	}
	w.follows(run)
	if w.Detach {
		return converge.DoneBecause("started: " + run.HTMLURL), nil
	}
	return w.follow(ctx, run)
}

func refused(err error, file string) error {
	var fe *forge.Error
	if errors.As(err, &fe) && !fe.Retryable() {
		hint := "the job needs `permissions: actions: write`"
		if fe.Status == 422 {
			hint = "the workflow file must be on the default branch and, at the tagged commit, have a `workflow_dispatch` trigger"
		}
		return converge.Halt(problem.Error{Summary: fmt.Sprintf("GitHub refused to start workflow %s", file), Detail: fe.Message, Hint: hint, Err: err})
	}
	return err
}

// ourRun returns the run that this process has followed before, however it ended, else one that findRun finds.
func (w *Workflow) ourRun(ctx context.Context) (forge.Run, error) {
	w.mu.Lock()
	run := w.run
	w.mu.Unlock()
	if run.ID != 0 {
		return w.look(ctx, run)
	}
	return w.findRun(ctx)
}

func (w *Workflow) follows(run forge.Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.run = run
}

// look reads a run again. One that was started a moment ago may not be there yet.
func (w *Workflow) look(ctx context.Context, run forge.Run) (forge.Run, error) {
	next, err := w.Forge.Run(ctx, run.ID)
	if forge.IsNotFound(err) {
		run.Status = "requested"
		return run, nil
	}
	return next, err
}

// findRun looks for a run of the release workflow on our branch and commit that is under way, or that succeeded.
func (w *Workflow) findRun(ctx context.Context) (forge.Run, error) {
	runs, err := w.Forge.Runs(ctx, w.File, w.Branch, time.Time{})
	if err != nil {
		return forge.Run{}, err
	}
	for _, r := range runs {
		ours := r.Event == "workflow_dispatch" && slices.Contains(w.Commits, r.HeadSHA)
		if ours && (r.Status != "completed" || r.Conclusion == "success" && w.Public) {
			return r, nil
		}
	}
	return forge.Run{}, nil
}

// awaitStart sees that the run leaves the queue within the configured time: a dispatch that GitHub accepted and then
// forgot must not look like a release that is under way.
func (w *Workflow) awaitStart(ctx context.Context, run forge.Run) (forge.Run, error) {
	began := time.Now()
	limit := w.StartTimeout
	for {
		var err error
		if run.ID == 0 {
			run, err = w.findRun(ctx)
		} else {
			run, err = w.look(ctx, run)
		}
		if err != nil {
			return run, err
		}
		if run.ID != 0 && run.Status != "queued" && run.Status != "requested" && run.Status != "pending" {
			return run, nil
		}
		if time.Since(began) >= limit {
			where := run.HTMLURL
			if where == "" {
				where = "no run appeared"
			}
			return run, &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("workflow %s did not start within %s", w.File, limit), Detail: where,
				Hint: "is a runner free, and are Actions enabled? Run Tagboat again: it finds the run if it has started since"}
		}
		if err := converge.Sleep(ctx, w.Poll); err != nil {
			return run, err
		}
	}
}

func (w *Workflow) follow(ctx context.Context, run forge.Run) (converge.Outcome, error) {
	limit := w.RunTimeout
	for began := time.Now(); run.Status != "completed"; {
		converge.Phase(ctx, run.Status+" "+run.HTMLURL)
		if time.Since(began) >= limit {
			return converge.Waiting("the release workflow still runs: "+run.HTMLURL, time.Time{}), nil
		}
		if err := converge.Sleep(ctx, w.Poll); err != nil {
			return converge.Outcome{}, err
		}
		next, err := w.Forge.Run(ctx, run.ID)
		if err != nil {
			return converge.Outcome{}, err
		}
		run = next
	}
	if run.Conclusion != "success" {
		return converge.Outcome{}, &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("the release workflow ended with %s", run.Conclusion), Detail: run.HTMLURL,
			Hint: "look at the run, then re-run it or push nothing and run Tagboat again: what is done stays done"}
	}
	return converge.DoneBecause("succeeded: " + run.HTMLURL), nil
}
