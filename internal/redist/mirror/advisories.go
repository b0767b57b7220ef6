package mirror

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/redist/deny"
)

// advisories returns the advisories about crates that would move, from whom the rules say. Where it cannot be asked the run
// ends: what nobody looked at is not moved.
func advisories(ctx context.Context, w World, all []redist.Crate) ([]redist.Advisory, error) {
	var crates []redist.Crate
	for _, c := range all {
		if c.Missing() {
			crates = append(crates, c)
		}
	}
	switch from := w.Rules.Advisories; {
	case from == "" || len(crates) == 0:
		return nil, nil
	case from != config.CargoDeny:
		return published(ctx, w, from, crates)
	case w.CratesIO:
		return w.Deny(ctx, deny.CratesIO, crates)
	}
	return w.Deny(ctx, w.Source.Registry().Index, crates)
}

// published reads the advisories about the crates, as their repository has them now.
func published(ctx context.Context, w World, from string, crates []redist.Crate) ([]redist.Advisory, error) {
	repo, err := git.Mirror(ctx, from, filepath.Join(w.Scratch, "advisories.git"))
	commit := ""
	for _, branch := range []string{"main", "master"} {
		if err == nil && commit == "" {
			if commit, err = repo.Named(ctx, branch); errors.Is(err, git.ErrNotFound) {
				err = nil
			}
		}
	}
	if err == nil && commit == "" {
		err = errors.New("it has neither a branch main nor a branch master")
	}
	if err != nil {
		return nil, &problem.Error{Kind: problem.Failed, Summary: "cannot read the advisories", Err: err, Hint: "advisories in [thirdparty] names their repository; nothing was moved"}
	}
	wanted := map[string]bool{}
	for _, c := range crates {
		wanted[c.Name] = true
	}
	files, err := repo.Tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	var out []redist.Advisory
	for _, file := range files {
		if dir := path.Dir(file); path.Dir(dir) != "crates" || !wanted[path.Base(dir)] || !strings.HasSuffix(file, ".md") {
			continue
		}
		text, err := repo.File(ctx, commit, file)
		if err != nil {
			return nil, err
		}
		a, err := redist.ParseAdvisory(strings.ReplaceAll(string(text), "\r\n", "\n"))
		if err != nil {
			return nil, &problem.Error{Kind: problem.Stopped, Summary: "an advisory cannot be read", Detail: fmt.Sprintf("%s: %v", file, err), Hint: "nothing was moved: mend it, or name another state of the advisories"}
		}
		out = append(out, a)
	}
	return out, nil
}
