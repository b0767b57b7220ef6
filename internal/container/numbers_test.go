//go:build e2e

package container

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestNumbers prints what docs/benchmarks.md says of the images, one "NUMBER name value" a line: sizes in bytes, times in
// milliseconds, each the median of five. Nothing is asserted about time.
func TestNumbers(t *testing.T) {
	for name, image := range map[string]string{"slim-size": slimImage, "full-size": fullImage} {
		text, err := docker.do(t.Context(), "image", "inspect", "--format", "{{.Size}}", image)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("NUMBER", name, strings.TrimSpace(text))
	}
	rustImage, err := asked("RUST_IMAGE")
	if err != nil {
		t.Fatal(err)
	}
	base, err := docker.do(t.Context(), "image", "inspect", "--format", "{{.Size}}", rustImage)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("NUMBER full-base-size", strings.TrimSpace(base))
	w := startWorld(t, "hyperlight", nil, nil)
	w.pushTag(t, "v0.4.0")
	for name, c := range map[string]struct {
		image string
		env   map[string]string
		first bool // until the first line, not until the end
	}{
		"slim-first-line": {slimImage, map[string]string{"GITHUB_EVENT_NAME": "delete"}, true},
		"full-first-line": {fullImage, map[string]string{"GITHUB_EVENT_NAME": "delete"}, true},
		"check":           {fullImage, map[string]string{"INPUT_COMMAND": "check"}, false},
	} {
		var all []time.Duration
		for range 5 {
			all = append(all, w.timed(t, c.image, c.env, c.first))
		}
		slices.Sort(all)
		fmt.Println("NUMBER", name, strconv.FormatInt(all[2].Milliseconds(), 10))
	}
}

// timed runs one container and returns how long it took by the engine's own clock.
func (w *world) timed(t *testing.T, image string, env map[string]string, first bool) time.Duration {
	t.Helper()
	j := w.newJob(t.Context(), t, image, "v0.4.0", env)
	j.cmd.Args = slices.DeleteFunc(j.cmd.Args, func(a string) bool { return a == "--rm" })
	j.must(t, 0)
	state, err := docker.do(t.Context(), "inspect", "--format", "{{.State.StartedAt}} {{.State.FinishedAt}}", j.name)
	if err != nil {
		t.Fatal(err)
	}
	ends := strings.Fields(state)
	if first {
		log, err := docker.do(t.Context(), "logs", "--timestamps", j.name)
		if err != nil {
			t.Fatal(err)
		}
		ends[1], _, _ = strings.Cut(log, " ")
	}
	var at [2]time.Time
	for i, text := range ends {
		if at[i], err = time.Parse(time.RFC3339Nano, text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := docker.do(t.Context(), "rm", j.name); err != nil {
		t.Fatal(err)
	}
	return at[1].Sub(at[0])
}
