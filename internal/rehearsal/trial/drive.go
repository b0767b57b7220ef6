package trial

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/githubtwin"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/release"
)

// calmRuns is how many runs a release may need once nothing goes wrong any more: one that finishes, and more where a
// deadline or a limit sends a run home.
const calmRuns = 12

// longest is the longest that a release may take on the virtual clock.
const longest = 30 * 24 * time.Hour

// Release makes the release, holds the world against what must be there in the end, and sums up.
func (t *Trial) Release(ctx context.Context) Outcome {
	end := t.drive(ctx)
	t.close()
	t.Inspect(end == "released", t.processes)
	return t.finished(end)
}

// Hung sums up a release in which nothing could happen any more.
func (t *Trial) Hung(why any) Outcome {
	t.fail("never hangs", "%v", why)
	out := t.finished("")
	out.Trace = t.Trace()
	return out
}

// drive starts processes until the release has reached its end. What GitHub starts runs in job.
func (t *Trial) drive(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	calm := 0
	for t.ok() {
		if t.calm.Load() {
			calm++
		}
		if calm > calmRuns {
			t.fail("converges", "%d runs after the storm have not finished the release", calmRuns)
			break
		}
		p := t.start(release.First)
		report := p.run(ctx, release.Request{Tag: scene.TagName, Half: release.First})
		t.pause(ctx, p, report)
		if !t.calm.Load() {
			t.Meddle(p.number, "", false)
		}
		if ctx.Err() != nil {
			t.fail("converges", "the release is not finished after %s", longest)
			break
		}
		if report == nil {
			continue // it died
		}
		if end, ended := t.judge(report); ended {
			if end == "released" && t.Scene.Dice(4, "once more") == 0 {
				t.onceMore(ctx)
			}
			return end
		}
	}
	return ""
}

// onceMore runs again where everything is done. Nothing may be changed by that.
func (t *Trial) onceMore(ctx context.Context) {
	t.calm.Store(true)
	_ = sleep(ctx, time.Hour) // the limits of an hour are over; the caller sees the end of ctx
	p := t.start(release.First)
	before := len(t.GitHub.Writes())
	report := p.run(ctx, release.Request{Tag: scene.TagName, Half: release.First})
	for _, w := range t.GitHub.Writes()[before:] {
		if w.Op != "delete-release" || t.Scene.DraftLag == 0 { // a draft that was listed too late may be tidied up
			t.fail("a finished release stays as it is", "%s changed it: %s %s", p.name(), w.Op, w.Detail)
		}
	}
	if p.uploads > 0 {
		t.fail("a finished release stays as it is", "%s uploaded %d crates", p.name(), p.uploads)
	}
	// Without a key that made the bill everything counts as it is made on this machine, and that may be something else.
	others := t.Scene.Rotated > 0 && (t.Scene.Restless || t.Scene.Drift > 0)
	if report == nil || report.Outcome != release.Released && !others {
		t.fail("a finished release stays as it is", "%s does not find it finished", p.name())
	}
}

// judge decides whether a release has ended with this report of a first half.
func (t *Trial) judge(r *release.Report) (end string, ended bool) {
	last := r
	t.mu.Lock()
	job := t.lastJob
	t.mu.Unlock()
	if r.Outcome == release.Failed && job != nil && job.Outcome == release.Stopped {
		last = job // the first half only saw that the workflow failed
	}
	switch last.Outcome {
	case release.Released:
		return "released", true
	case release.Stopped:
		if !t.Scene.MayStop() {
			t.fail("stops for a reason", "stopped although nobody did anything wrong: %s", summary(last))
			return "", true
		}
		if t.Scene.Pardon && !t.Scene.MustStop() && t.pardon() {
			return "", false
		}
		return "stopped: " + summary(last), true
	}
	return "", false
}

// pardon is a person who does, once, what the stopped run's hint says: delete a draft that somebody forged, and run again.
func (t *Trial) pardon() bool {
	t.mu.Lock()
	again := t.pardoned
	t.pardoned, t.lastJob = true, nil
	t.mu.Unlock()
	if again {
		return false
	}
	if slices.ContainsFunc(t.Scene.Meddling, func(m scene.Meddling) bool { return m.Act.Forges() }) || t.Scene.Drift > 0 {
		t.note("", "a person deletes the draft")
		t.RemoveDrafts()
	}
	return true
}

func summary(r *release.Report) string {
	if len(r.Problems) == 0 {
		return "no problem is told"
	}
	return r.Problems[0].Summary
}

// pause waits before the next run as long as the report says, or as long as a person takes. What died is started again
// sooner, and never at the same instant.
func (t *Trial) pause(ctx context.Context, p *process, r *release.Report) {
	wait := time.Duration(1+t.Scene.Dice(600, "pause", p.number)) * time.Second
	if r == nil {
		wait = time.Duration(1+t.Scene.Dice(600, "pause", p.number)) * []time.Duration{time.Millisecond, 100 * time.Millisecond}[t.Scene.Dice(2, "recovery", p.number)]
	}
	if r != nil && r.Until != nil {
		wait += time.Until(*r.Until)
	}
	_ = sleep(ctx, wait) // the caller sees the end of ctx
}

// job is the release workflow: a runner that starts the second half, again where the runner was lost.
// The workflow has a concurrency group that queues, as ours in examples/ have.
func (t *Trial) job(ctx context.Context, d githubtwin.Dispatch) (conclusion string) {
	select {
	case t.group <- struct{}{}:
		defer func() { <-t.group }()
	case <-ctx.Done():
		return "cancelled"
	}
	for attempt := 0; ; attempt++ {
		p := t.start(release.Second)
		report := p.run(ctx, release.Request{Branch: d.Ref, Half: release.Second})
		if report == nil {
			if ctx.Err() != nil || attempt == 3 || t.Scene.Dice(2, "rerun", p.number) == 0 {
				return "failure"
			}
			t.pause(ctx, p, nil)
			continue
		}
		t.mu.Lock()
		t.lastJob = report
		t.mu.Unlock()
		if report.Outcome != release.Released {
			return "failure"
		}
		return "success"
	}
}

// start makes the next process. The storm ends when enough of them have seen it.
func (t *Trial) start(half release.Half) *process {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.processes++
	if t.processes > t.Scene.Stormy {
		t.calm.Store(true)
	}
	p := &process{trial: t, number: t.processes, half: half, began: time.Now(), seen: map[string]int{}, sharing: map[string]*shared{}, steps: map[string]string{}, rank: map[string]int{}, packed: map[string]bool{}}
	if t.Scene.Drift > 0 && p.number >= t.Scene.Drift {
		p.maker = scene.LaterOn
	}
	p.complete = t.LedgerComplete(p.began, t.Keys(p.number))
	return p
}

// finished counts what a trial did.
func (t *Trial) finished(end string) Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := Outcome{Seed: t.Scene.Seed, End: end, Virtual: time.Since(t.began), Runs: t.processes, Deaths: t.deaths, Requests: t.requests, Faults: t.mishaps, Violation: t.violation}
	unfired := t.faults.Unfired()
	for _, f := range t.Scene.Faults {
		if i := slices.Index(unfired, f.String()); i >= 0 {
			unfired = slices.Delete(unfired, i, i+1)
			continue
		}
		o.Faults[kindOf(f)]++
	}
	return o
}

// kindOf names a fault for counting.
func kindOf(f fault.Spec) string {
	switch {
	case f.Action == fault.AcceptThen && f.Status == 0:
		return "accept-then drop"
	case f.Action == fault.AcceptThen, f.Action == fault.Refuse:
		return fmt.Sprintf("%s %d", f.Action, f.Status)
	case f.Step != "" && f.Action != fault.DiskFull:
		return string(f.Action) + " at a step"
	}
	return string(f.Action)
}
