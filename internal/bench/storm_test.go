//go:build bench

package bench

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/tagboat/tagboat/internal/rehearsal/storm"
)

func measureStorm(t *testing.T) section {
	const releases = 2000
	r, err := storm.Run(t.Context(), t, storm.Options{Seeds: releases, First: 1})
	if err != nil {
		t.Fatal(err)
	}
	if r.Releases == 0 {
		t.Fatal("no release was made")
	}
	note := "no invariant was violated"
	if v := r.Violation; v != nil {
		note = fmt.Sprintf("seed %d violates %q: %s", v.Seed, v.Invariant, v.Detail)
	}
	rate := float64(r.Releases) / r.Wall.Minutes()
	return section{
		title: "Storms",
		how:   fmt.Sprintf("%d whole releases under a virtual clock, one seed each from 1, with faults, deaths and restarts, %d at a time; every release is held against the invariants.", releases, runtime.GOMAXPROCS(0)),
		rows:  []row{{"thousands of whole releases a minute", fmt.Sprintf("%d in %s", r.Releases, short(r.Wall)), fmt.Sprintf("%.0f a minute", rate), judge(rate >= 2000)}},
		notes: []string{fmt.Sprintf("%d processes, %d of them died; %d requests; %.0f hours of virtual time", r.Runs, r.Deaths, r.Requests, r.Virtual.Hours()), note},
	}
}
