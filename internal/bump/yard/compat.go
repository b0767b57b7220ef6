package yard

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tagboat/tagboat/internal/bump"
	"github.com/tagboat/tagboat/internal/cargo/zone"
)

// Compat asks cargo-semver-checks, the program at that path, whether the crates that move break what the version before
// promised. It builds their documentation, so it runs in the zone: what it needs is fetched first, then without any
// network. previous is the tag to compare with. What it says comes back as a verdict; broken is set where it found
// something that the step to the new version does not allow.
func (y *Yard) Compat(ctx context.Context, program, previous string, p bump.Plan) (verdict string, broken bool, err error) {
	tool, err := y.zone.Bring(program)
	if err != nil {
		return "", false, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(y.clone.Dir), "before-")
	if err != nil {
		return "", false, fmt.Errorf("lay out %s: %w", previous, err)
	}
	defer os.RemoveAll(dir)
	if _, err := y.repo.CloneAt(ctx, "refs/tags/"+previous, dir); err != nil {
		return "", false, err
	}
	before, err := y.zone.Scratch("before", dir)
	if err != nil {
		return "", false, err
	}
	for _, at := range []string{before, y.copy} {
		out, err := y.zone.Run(ctx, zone.Command{Dir: at, Argv: []string{"cargo", "fetch"}, Network: zone.Open})
		if err == nil {
			err = out.Err()
		}
		if err != nil {
			return "", false, err
		}
	}
	argv := []string{tool, "semver-checks", "check-release", "--baseline-root", before}
	for _, m := range p.Moves {
		if m.From != m.To {
			argv = append(argv, "--package", m.Name)
		}
	}
	out, err := y.zone.Run(ctx, zone.Command{Dir: y.copy, Argv: argv})
	if err != nil {
		return "", false, err
	}
	return last(string(out.Stdout) + string(out.Stderr)), out.Exit != 0, nil
}

// last returns the last lines of what a program said.
func last(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
