package forge

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// ErrTruncated comes together with a list that GitHub cut off: what is listed is true, what is not listed is unknown.
var ErrTruncated = errors.New("GitHub lists no more than this")

const (
	compareFiles  = 300  // files in one comparison
	directorySize = 1000 // entries in one folder
)

type entry struct {
	Type     string `json:"type"`
	Path     string `json:"path"`
	SHA      string `json:"sha"`
	Size     int64  `json:"size"`
	Encoding string `json:"encoding"`
	Content  string `json:"content"`
}

// File returns the content of a file at a ref (branch, tag or SHA). An absent file, folder or ref is NotFound; a folder
// or submodule is Refused.
//
// https://docs.github.com/en/rest/repos/contents#get-repository-content
func (c *Client) File(ctx context.Context, ref, path string) ([]byte, error) {
	op := fmt.Sprintf("read %s at %s", path, ref)
	var raw json.RawMessage
	if _, err := c.wire.Do(ctx, c.contents(op, ref, path, &raw)); err != nil {
		return nil, err
	}
	var e entry
	if json.Unmarshal(raw, &e) != nil || e.Type != "file" {
		return nil, c.wire.Refuse(op, "not a file")
	}
	if e.Encoding != "base64" {
		return c.largeFile(ctx, op, e.SHA)
	}
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(e.Content, "\n", ""))
	if err != nil {
		return nil, c.wire.Malformed(op, "content is not base64")
	}
	return b, nil
}

// largeFile reads a file of more than a megabyte, whose content the contents API leaves out, as a blob.
//
// https://docs.github.com/en/rest/git/blobs#get-a-blob
func (c *Client) largeFile(ctx context.Context, op, sha string) ([]byte, error) {
	var e entry
	_, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root() + "/git/blobs/" + wire.Segments(sha), Out: &e})
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(e.Content, "\n", ""))
	if err != nil || e.Encoding != "base64" {
		return nil, c.wire.Malformed(op, "content is not base64")
	}
	return b, nil
}

func (c *Client) contents(op, ref, path string, out any) wire.Call {
	r := wire.Call{Op: op, Method: http.MethodGet, Path: c.wire.Root() + "/contents/" + wire.Segments(strings.Trim(path, "/")), Out: out}
	if ref != "" {
		r.Query = url.Values{"ref": {ref}}
	}
	return r
}

// List returns the paths of a folder's entries at a ref, from the repository's root on, sorted; folders end in "/".
// An absent folder is NotFound, a file is Refused. With more than 1000 entries the error is ErrTruncated.
//
// https://docs.github.com/en/rest/repos/contents#get-repository-content
func (c *Client) List(ctx context.Context, ref, dir string) ([]string, error) {
	entries, err := c.folder(ctx, ref, dir)
	if err != nil && !errors.Is(err, ErrTruncated) {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if e.Type == "dir" {
			e.Path += "/"
		}
		paths = append(paths, e.Path)
	}
	slices.Sort(paths)
	return paths, err
}

func (c *Client) folder(ctx context.Context, ref, dir string) ([]entry, error) {
	op := fmt.Sprintf("list %s at %s", dir, ref)
	var raw json.RawMessage
	if _, err := c.wire.Do(ctx, c.contents(op, ref, dir, &raw)); err != nil {
		return nil, err
	}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '[' {
		return nil, c.wire.Refuse(op, "not a folder")
	}
	var entries []entry
	if err := json.Unmarshal(raw, &entries); err != nil {
		return nil, c.wire.Malformed(op, "folder entries")
	}
	if len(entries) >= directorySize {
		return entries, fmt.Errorf("%s in %s: %d entries: %w", op, c.wire.Slug(), len(entries), ErrTruncated)
	}
	return entries, nil
}

const workflowFolder = ".github/workflows"

// WorkflowFiles lists the files of .github/workflows at a ref; a repository without the folder has none.
func (c *Client) WorkflowFiles(ctx context.Context, ref string) ([]string, error) {
	paths, err := c.List(ctx, ref, workflowFolder)
	if IsNotFound(err) {
		return nil, nil
	}
	return slices.DeleteFunc(paths, func(p string) bool { return strings.HasSuffix(p, "/") }), err
}

// WorkflowChanges returns what .github/workflows at head has that base has not, or has differently: the files that make
// GitHub want the permission to write workflows for a ref at head, when base is the default branch. It compares the
// folders themselves and is exact however large the difference between the two is.
func (c *Client) WorkflowChanges(ctx context.Context, base, head string) ([]string, error) {
	var lists [2][]entry
	g, both := errgroup.WithContext(ctx)
	for i, ref := range []string{head, base} {
		g.Go(func() (err error) {
			if lists[i], err = c.folder(both, ref, workflowFolder); IsNotFound(err) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	ours, theirs := lists[0], lists[1]
	have := map[string]string{}
	for _, e := range theirs {
		have[e.Path] = e.SHA
	}
	var changed []string
	for _, e := range ours {
		if have[e.Path] != e.SHA {
			changed = append(changed, e.Path)
		}
	}
	slices.Sort(changed)
	return changed, nil
}

type comparison struct {
	Status string `json:"status"`
	Files  []struct {
		Name     string `json:"filename"`
		Previous string `json:"previous_filename"`
	} `json:"files"`
}

func (c *Client) compare(ctx context.Context, op, base, head string) (comparison, error) {
	var out comparison
	_, err := c.wire.Do(ctx, wire.Call{
		Op: op, Method: http.MethodGet, Path: c.wire.Root() + "/compare/" + wire.Segments(base) + "..." + wire.Segments(head),
		Query: url.Values{"per_page": {"1"}}, Out: &out, // one commit is enough: the files are those of all
	})
	if err == nil && out.Status == "" {
		err = c.wire.Malformed(op, "comparison without a status")
	}
	return out, err
}

// Contains reports whether the commit sha is in the history of branch. An unknown branch or commit is NotFound.
//
// https://docs.github.com/en/rest/commits/commits#compare-two-commits
func (c *Client) Contains(ctx context.Context, branch, sha string) (bool, error) {
	out, err := c.compare(ctx, fmt.Sprintf("compare %s with %s", branch, sha), branch, sha)
	return out.Status == "behind" || out.Status == "identical", err
}

// ChangedFiles returns the paths that differ between the merge base of base and head, and head; a renamed file comes
// with both names. GitHub lists 300 files at most: then they come together with ErrTruncated.
//
// https://docs.github.com/en/rest/commits/commits#compare-two-commits
func (c *Client) ChangedFiles(ctx context.Context, base, head string) ([]string, error) {
	op := fmt.Sprintf("compare %s with %s", base, head)
	out, err := c.compare(ctx, op, base, head)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range out.Files {
		names = append(names, f.Name)
		if f.Previous != "" {
			names = append(names, f.Previous)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(out.Files) >= compareFiles {
		return names, fmt.Errorf("%s in %s: %d files: %w", op, c.wire.Slug(), len(out.Files), ErrTruncated)
	}
	return names, nil
}

// Commit is a commit as a comparison lists it.
type Commit struct{ SHA, Message string }

// Ahead returns the commits that head has and base lacks, the oldest first. More than 100 come with ErrTruncated.
//
// https://docs.github.com/en/rest/commits/commits#compare-two-commits
func (c *Client) Ahead(ctx context.Context, base, head string) ([]Commit, error) {
	op := fmt.Sprintf("compare %s with %s", base, head)
	var out struct {
		Total   int `json:"total_commits"`
		Commits []struct {
			SHA    string `json:"sha"`
			Commit struct {
				Message string `json:"message"`
			} `json:"commit"`
		} `json:"commits"`
	}
	_, err := c.wire.Do(ctx, wire.Call{
		Op: op, Method: http.MethodGet, Path: c.wire.Root() + "/compare/" + wire.Segments(base) + "..." + wire.Segments(head),
		Query: url.Values{"per_page": {"100"}}, Out: &out,
	})
	if err != nil {
		return nil, err
	}
	var list []Commit
	for _, k := range out.Commits {
		list = append(list, Commit{k.SHA, k.Commit.Message})
	}
	if out.Total > len(list) {
		return list, fmt.Errorf("%s in %s: %d commits: %w", op, c.wire.Slug(), out.Total, ErrTruncated)
	}
	return list, nil
}
