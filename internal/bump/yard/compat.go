package yard

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/bump"
	"github.com/tagboat/tagboat/internal/cargo/zone"
)

// Compatibility is what cargo-semver-checks says of a step.
type Compatibility struct {
	Crates int    // how many were compared
	Broken bool   // it found something that the step to the new version does not allow
	Said   string // what it found
}

// Compat asks cargo-semver-checks, the program at that path, whether the crates that move break what the version before
// promised. It builds their documentation, so it runs in the zone: what it needs is fetched first, then without any
// network. previous is the tag to compare with. Only what was a library there can be compared: asked about another crate, the
// program fails.
func (y *Yard) Compat(ctx context.Context, program, previous string, p bump.Plan) (c Compatibility, err error) {
	tool, err := y.zone.Bring(program)
	if err != nil {
		return c, err
	}
	before, err := y.layOut(ctx, previous)
	if err != nil {
		return c, err
	}
	old, err := y.libraries(ctx, before)
	if err != nil {
		return c, err
	}
	argv := []string{tool, "semver-checks", "check-release", "--baseline-root", before}
	for _, m := range p.Moves {
		if m.From != m.To && slices.Contains(old, m.Name) {
			argv = append(argv, "--package", m.Name)
			c.Crates++
		}
	}
	if c.Crates == 0 {
		return c, nil
	}
	for _, dir := range []string{before, y.copy} {
		out, err := y.zone.Run(ctx, zone.Command{Dir: dir, Argv: []string{"cargo", "fetch"}, Network: zone.Open})
		if err == nil {
			err = out.Err()
		}
		if err != nil {
			return c, err
		}
	}
	out, err := y.zone.Run(ctx, zone.Command{Dir: y.copy, Argv: argv})
	if err != nil {
		return c, err
	}
	// Since 0.50.0 the code for what it found is 100, before it was that of any error. What it found, and nothing else, is
	// on standard output. https://github.com/obi1kenobi/cargo-semver-checks/blob/v0.50.0/src/main.rs
	found := strings.TrimSpace(string(out.Stdout))
	if out.Exit != 0 && out.Exit != 100 && found == "" {
		return c, fmt.Errorf("exit code %d: %s", out.Exit, last(string(out.Stderr), 10))
	}
	c.Broken, c.Said = out.Exit != 0, first(found, 60)+"\n\n"+last(string(out.Stderr), 10)
	return c, nil
}

// layOut puts the commit of a tag into the zone.
func (y *Yard) layOut(ctx context.Context, tag string) (string, error) {
	dir, err := os.MkdirTemp(filepath.Dir(y.clone.Dir), "before-")
	if err != nil {
		return "", fmt.Errorf("lay out %s: %w", tag, err)
	}
	defer os.RemoveAll(dir)
	if _, err := y.repo.CloneAt(ctx, "refs/tags/"+tag, dir); err != nil {
		return "", err
	}
	return y.zone.Scratch("before", dir)
}

// libraries names the packages of a workspace that others can use. A proc macro is none that can be compared.
func (y *Yard) libraries(ctx context.Context, dir string) ([]string, error) {
	text, err := y.run(ctx, dir, "cargo", "metadata", "--no-deps", "--format-version", "1")
	if err != nil {
		return nil, err
	}
	var all struct {
		Packages []struct {
			Name    string `json:"name"`
			Targets []struct {
				Kind []string `json:"kind"`
			} `json:"targets"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("read the packages of %s: %w", dir, err)
	}
	var names []string
	for _, p := range all.Packages {
		for _, t := range p.Targets {
			if slices.ContainsFunc(t.Kind, func(kind string) bool { return strings.HasSuffix(kind, "lib") }) {
				names = append(names, p.Name)
			}
		}
	}
	return names, nil
}

// first and last return lines of what a program said.
func first(text string, n int) string {
	lines := strings.Split(text, "\n")
	if more := len(lines) - n; more > 0 {
		lines = append(lines[:n:n], fmt.Sprintf("and %d lines more", more))
	}
	return strings.Join(lines, "\n")
}

func last(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
