package yard

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tagboat/tagboat/internal/bump"
	"github.com/tagboat/tagboat/internal/bump/offer"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/git/pick"
	"github.com/tagboat/tagboat/internal/problem"
)

// Pick is a commit to be picked, and what came of it.
type Pick struct {
	Commit string
	Number int // of the pull request that it came with, 0 for none
	Title  string

	Skipped string   // why it was not picked, "" where it was
	Files   []string // that it changed

	Entries map[string]string // what it writes into changelogs that would conflict, by path: these stay as the branch has them
}

// describe gives a pick that has none the title that its commit's message has. GitHub's of a merge has that of the pull
// request below.
func (p *Pick) describe(message string) {
	if p.Title != "" {
		return
	}
	headline, body, _ := strings.Cut(message, "\n")
	p.Title = headline
	m := mergeOf.FindStringSubmatch(headline)
	if m == nil {
		return
	}
	p.Number, _ = strconv.Atoi(m[1]) // six digits at most
	if title, _, _ := strings.Cut(strings.TrimSpace(body), "\n"); title != "" {
		p.Title = title
	}
}

// enter keeps what a pick adds to a changelog, without headings.
func (p *Pick) enter(ctx context.Context, work *git.Repo, path string) error {
	lines, err := pick.Added(ctx, work, p.Commit, path)
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "" || strings.HasPrefix(l, "#") })
	if p.Entries == nil {
		p.Entries = map[string]string{}
	}
	p.Entries[path] = strings.Join(lines, "\n")
	return err
}

// left enters what a pick had for changelogs and did not bring along, as Picked does it.
func (p *Pick) left(ctx context.Context, work *git.Repo, cfg config.Config) error {
	info, err := work.CommitInfo(ctx, p.Commit)
	if errors.Is(err, git.ErrNotFound) || err == nil && len(info.Parents) == 0 {
		return nil
	} else if err != nil {
		return err
	}
	names, err := work.DiffNames(ctx, info.Parents[0], info.Hash)
	for _, name := range names {
		if err == nil && bump.IsChangelog(cfg, name) && !slices.Contains(p.Files, name) {
			err = p.enter(ctx, work, name)
		}
	}
	return err
}

// ConflictError says that a commit cannot be picked. What was picked before is at Head.
type ConflictError struct {
	Pick  Pick
	Paths []string
	Head  string
	Rest  []Pick // with the one that conflicts first
	Merge bool   // it is a merge: git wants to know which parent counts
}

// Error names the commit and the paths.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s conflicts in %s", e.Pick.Commit, strings.Join(e.Paths, ", "))
}

// Picked picks commits in their order on top of HEAD of work, and returns what came of each and the new head. cfg is what
// the branch's tagboat.toml says. The error is a *ConflictError where one conflicts.
func Picked(ctx context.Context, work *git.Repo, cfg config.Config, picks []Pick, who git.Identity) ([]Pick, string, error) {
	var out []Pick
	for i, p := range picks {
		head, _, err := work.Head(ctx)
		if err != nil {
			return out, "", err
		}
		info, err := work.CommitInfo(ctx, p.Commit)
		if err != nil {
			return out, "", err
		}
		p.describe(info.Message)
		if p.Skipped, err = Already(ctx, work, head, p.Commit); err != nil {
			return out, "", err
		}
		if p.Skipped != "" {
			out = append(out, p)
			continue
		}
		got, err := pick.Cherry(ctx, work, p.Commit, who, func(path string) bool { return bump.IsChangelog(cfg, path) })
		switch {
		case err != nil:
			return out, "", err
		case len(got.Conflicts) > 0:
			return out, head, &ConflictError{Pick: p, Paths: got.Conflicts, Head: head, Rest: picks[i:], Merge: len(info.Parents) > 1}
		case got.Commit == "":
			p.Skipped = "the branch has this change already"
			if len(got.Kept) > 0 {
				p.Skipped = "it changes the changelog alone, which conflicts"
			} else if len(info.Parents) > 0 {
				if names, err := work.DiffNames(ctx, info.Parents[0], info.Hash); err != nil {
					return out, "", err
				} else if len(names) == 0 {
					p.Skipped = "it changes nothing"
				}
			}
		default:
			if p.Files, err = work.DiffNames(ctx, head, got.Commit); err != nil {
				return out, "", err
			}
			for _, path := range got.Kept {
				if err := p.enter(ctx, work, path); err != nil {
					return out, "", err
				}
			}
		}
		out = append(out, p)
	}
	head, _, err := work.Head(ctx)
	return out, head, err
}

var (
	pickedFrom = regexp.MustCompile(`\(cherry picked from commit ([0-9a-f]{40,64})\)`)
	mergeOf    = regexp.MustCompile(`^Merge pull request #([0-9]{1,6}) from `)
)

// Brought returns as picks what a branch, on which a person solved a conflict, has beyond base.
func Brought(ctx context.Context, work *git.Repo, cfg config.Config, base, head string) ([]Pick, error) {
	log, err := work.Log(ctx, base, head, 1000)
	if err != nil {
		return nil, err
	}
	slices.Reverse(log)
	var out []Pick
	for _, k := range log {
		if len(k.Parents) != 1 {
			continue // a merge, which Commits refuses
		}
		p := Pick{Commit: k.Hash}
		p.describe(k.Message)
		if from := pickedFrom.FindStringSubmatch(k.Message); from != nil {
			p.Commit = from[1]
		}
		if p.Files, err = work.DiffNames(ctx, k.Parents[0], k.Hash); err != nil {
			return nil, err
		}
		if err := p.left(ctx, work, cfg); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// Already says where a commit is in a branch's history, "" where it is not.
func Already(ctx context.Context, work *git.Repo, head, commit string) (string, error) {
	if in, err := work.IsAncestor(ctx, commit, head); err != nil || in {
		return map[bool]string{true: "the branch has this commit"}[in], err
	}
	common, err := work.MergeBase(ctx, head, commit)
	if errors.Is(err, git.ErrNotFound) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	log, err := work.Log(ctx, common, head, 10_000)
	if err != nil {
		return "", err
	}
	for _, k := range log {
		if strings.Contains(k.Message, "(cherry picked from commit "+commit+")") {
			return "it was picked before, as " + k.Hash[:12], nil
		}
	}
	return "", nil
}

// Commits returns what leads from base to head, for GitHub to make again: each author is named in its message.
func Commits(ctx context.Context, work *git.Repo, base, head string) ([]offer.Commit, error) {
	log, err := work.Log(ctx, base, head, 1000)
	if err != nil {
		return nil, err
	}
	slices.Reverse(log)
	var out []offer.Commit
	for _, k := range log {
		if len(k.Parents) != 1 {
			return nil, &problem.Error{Kind: problem.Stopped, Summary: "a patch is made of single commits, and there is a merge among them", Detail: k.Hash, Hint: "pick the commits that it brought"}
		}
		changes, err := pick.Changes(ctx, work, k.Parents[0], k.Hash)
		if err != nil {
			return nil, err
		}
		headline, body, _ := strings.Cut(k.Message, "\n")
		c := offer.Commit{Headline: headline, Body: strings.TrimSpace(strings.TrimSpace(body) + "\n" + fmt.Sprintf("Co-authored-by: %s <%s>", k.Author.Name, k.Author.Email)), Files: map[string]forge.Change{}}
		for _, f := range changes {
			switch plain := "100644"; {
			case f.Was == pick.Submodule || f.Mode == pick.Submodule:
				return nil, &problem.Error{Kind: problem.Stopped, Summary: "a pick changes a submodule, which is not picked: its commit may be nowhere that a release can fetch it from",
					Detail: fmt.Sprintf("%s %s\n%s", k.Hash[:12], headline, f.Path), Hint: "pick it by hand, push it to the release branch, and run this without it"}
			case f.Content == nil, f.Mode == plain && (f.Was == plain || f.Was == "000000"):
				c.Files[f.Path] = forge.Change{Content: f.Content}
			default:
				c.Files[f.Path] = forge.Change{Content: f.Content, Mode: f.Mode}
			}
		}
		out = append(out, c)
	}
	return out, nil
}
