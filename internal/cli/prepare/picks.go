package prepare

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/tagboat/tagboat/internal/bump/yard"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
)

var (
	pullNumber = regexp.MustCompile(`^#?([0-9]{1,6})$`)
	hashStart  = regexp.MustCompile(`^[0-9a-fA-F]{4,64}$`)
)

// chosenPicks finds the commits that were named.
func chosenPicks(ctx context.Context, repo *git.Repo, client *forge.Client, names []string) ([]yard.Pick, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var out []yard.Pick
	for name := range strings.SplitSeq(strings.Join(names, ","), ",") {
		if name = strings.TrimSpace(name); name == "" {
			return nil, &problem.Error{Kind: problem.Usage, Summary: "--pick is empty", Hint: "is a variable not set? Name a commit or a pull request, or leave the flag out"}
		}
		var p yard.Pick
		var err error
		if m := pullNumber.FindStringSubmatch(name); m == nil {
			p.Commit, err = chosenCommit(ctx, repo, name)
		} else if p.Number, err = strconv.Atoi(m[1]); err == nil {
			p, err = chosenPull(ctx, repo, client, p.Number)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// chosenCommit finds a commit by its hash or the start of that, or by a branch or tag.
func chosenCommit(ctx context.Context, repo *git.Repo, name string) (string, error) {
	commit, err := repo.Commit(ctx, name)
	if err == nil {
		return commit, nil
	}
	p := &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("--pick %s: there is no such commit here", name), Err: err,
		Hint: "a commit is named by its hash, a branch or a tag, one at a time, and a pull request by its number; git fetch origin brings what was merged"}
	if !hashStart.MatchString(name) {
		return "", p
	}
	all, err := repo.Exec(ctx, nil, "rev-parse", "--disambiguate="+name)
	if err != nil {
		return "", err
	}
	var several []string
	for _, hash := range strings.Fields(all) {
		if info, err := repo.CommitInfo(ctx, hash); err == nil {
			headline, _, _ := strings.Cut(info.Message, "\n")
			several = append(several, hash+" "+headline)
		}
	}
	if len(several) > 1 {
		p.Summary, p.Detail, p.Hint, p.Err = fmt.Sprintf("--pick %s: several commits begin so", name), strings.Join(several, "\n"), "give more of the hash", nil
	}
	return "", p
}

// chosenPull finds the commit that a pull request became.
func chosenPull(ctx context.Context, repo *git.Repo, client *forge.Client, number int) (yard.Pick, error) {
	pull, err := client.Pull(ctx, number)
	p := &problem.Error{Kind: problem.Stopped, Detail: pull.Title + "\n" + pull.URL}
	switch {
	case forge.IsNotFound(err):
		return yard.Pick{}, &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("--pick %d: there is no pull request #%d in %s", number, number, client.Slug()), Err: err,
			Hint: "is it an issue, or of another repository? Of a hash that begins with digits alone seven are needed; and in a private repository the token needs pull_requests: read"}
	case err != nil:
		return yard.Pick{}, err
	case pull.Open:
		p.Summary, p.Hint = fmt.Sprintf("pull request #%d is not merged yet", number), "a patch takes what the development branch has already: merge it there first"
		return yard.Pick{}, p
	case !pull.Merged:
		p.Summary, p.Hint = fmt.Sprintf("pull request #%d was closed without being merged", number), "name the one that was merged in its place, or the commit: --pick COMMIT"
		return yard.Pick{}, p
	}
	if err := here(ctx, repo, pull.MergeCommit, fmt.Sprintf("pull request #%d", number), pull.Base); err != nil {
		return yard.Pick{}, err
	}
	if several, err := unclear(ctx, repo, pull); err != nil {
		return yard.Pick{}, err
	} else if several {
		p.Summary, p.Detail = fmt.Sprintf("which commits pull request #%d became cannot be told", number), pull.Title+"\n"+severalCommits
		p.Hint = "name them: --pick COMMIT, in their order; the last is " + pull.MergeCommit
		return yard.Pick{}, p
	}
	return yard.Pick{Commit: pull.MergeCommit, Number: number, Title: pull.Title}, nil
}

const severalCommits = "it has several, and was merged by rebasing, or squashed under a title without its number"

// unclear reports whether a pull request may have become more commits than the one that GitHub names: one that has several
// and was rebased, which tells only the last of them. Squashed ones are known by GitHub's title for them.
func unclear(ctx context.Context, repo *git.Repo, pull forge.Pull) (bool, error) {
	if pull.Commits < 2 {
		return false, nil
	}
	info, err := repo.CommitInfo(ctx, pull.MergeCommit)
	headline, _, _ := strings.Cut(info.Message, "\n")
	return len(info.Parents) == 1 && !strings.Contains(headline, fmt.Sprintf("(#%d)", pull.Number)), err
}
