package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/rehearsal/storm"
	"github.com/tagboat/tagboat/internal/render"
	"github.com/tagboat/tagboat/internal/render/plain"
)

// stormReport is the JSON document of `tagboat rehearse --storm`.
type stormReport struct {
	Schema string `json:"schema"`
	storm.Result
}

// storm makes many releases under a virtual clock.
func (a *app) storm(ctx context.Context, f rehearsalFlags) error {
	o := storm.Options{Seeds: f.storm, First: f.seed}
	if f.trace {
		o.Trace = a.streams.Err
	}
	if !a.json && !a.quiet {
		tenth := 0
		o.Progress = func(r storm.Result) {
			if r.Releases*10/f.storm <= tenth {
				return
			}
			tenth = r.Releases * 10 / f.storm
			a.say("%d of %d releases, %d processes, %d of them ended early", r.Releases, f.storm, r.Runs, r.Deaths)
		}
	}
	r, err := storm.Main(ctx, o)
	if err != nil {
		return err
	}
	if a.json {
		if err := render.JSON(a.streams.Out, stormReport{Schema: "tagboat.storm/v1", Result: r}); err != nil {
			return err
		}
	}
	if v := r.Violation; v != nil {
		return &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("seed %d violates: %s", v.Seed, v.Invariant), Detail: v.Detail + "\n\n" + v.Trace, Hint: "see it again: " + v.Replay}
	}
	if r.Releases < f.storm {
		return &problem.Error{Kind: problem.Failed, Summary: "the storm was interrupted", Detail: fmt.Sprintf("%d of %d releases were made", r.Releases, f.storm), Err: ctx.Err()}
	}
	if a.json {
		return nil
	}
	rate := float64(r.Releases) / max(r.Wall.Minutes(), 1e-9)
	_, err = fmt.Fprintf(a.streams.Out, "%d releases in %s (%.0f a minute), %s under the virtual clock: no invariant violated\n%d processes, %d ended early, %d requests\nfaults  %s\nends    %s\n",
		r.Releases, plain.Span(r.Wall), rate, plain.Span(r.Virtual.Round(time.Second)), r.Runs, r.Deaths, r.Requests, counts(r.Faults), counts(r.Ends))
	return err
}

// counts lists what was counted, by name.
func counts(m map[string]int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(out, ", ")
}
