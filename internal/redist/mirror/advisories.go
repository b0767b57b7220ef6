package mirror

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/redist"
)

// advisories reads the advisories about the wanted crates, as their repository has them now. Where it cannot be read the
// run ends: what nobody looked at is not moved.
func advisories(ctx context.Context, w World, crates []redist.Crate) ([]redist.Advisory, error) {
	from := w.Rules.Advisories
	if from == "" {
		return nil, nil
	}
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
