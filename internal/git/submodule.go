package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
)

// SubmoduleError says which submodule could not be checked out. Path is slash-separated from the top repository; URL
// is as recorded, without credentials.
type SubmoduleError struct {
	Path string
	URL  string
	Err  error
}

// Error names the submodule.
func (e *SubmoduleError) Error() string {
	return fmt.Sprintf("submodule %s (%s): %v", e.Path, e.URL, e.Err)
}

// Unwrap returns the cause.
func (e *SubmoduleError) Unwrap() error { return e.Err }

// unreachable says what to do about a submodule that a server does not give; other errors it returns as they are.
func unreachable(err error) error {
	var sub *SubmoduleError
	var ge *Error
	if known := (*problem.Error)(nil); !errors.As(err, &sub) || !errors.As(err, &ge) || ge.Exit < 0 || errors.As(err, &known) {
		return err
	}
	return &problem.Error{Kind: problem.Failed, Summary: "the submodule " + sub.Path + " cannot be fetched", Detail: sub.URL + "\n" + strings.TrimSpace(ge.Stderr), Err: err,
		Hint: "check it out here, and that copy is used: git submodule update --init --recursive; it is asked for without credentials, so a private one must be here"}
}

// maxNesting is how deep submodules may lie in each other.
const maxNesting = 8

type submodule struct{ name, path, url, commit string }

// submodules checks out the submodules that commit records into its fresh clone r. source is the repository that the
// clone was made from, nil where it came over the network; base is what relative URLs are relative to; above are the
// paths of the submodules around this one.
func (r *Repo) submodules(ctx context.Context, commit string, source *Repo, base string, above []string) error {
	modules, err := r.recordedSubmodules(ctx, commit)
	if err != nil {
		return err
	}
	for _, m := range modules {
		here := append(above[:len(above):len(above)], m.path)
		if err := r.submodule(ctx, m, source, base, here); err != nil {
			if nested := (*SubmoduleError)(nil); errors.As(err, &nested) {
				return err
			}
			return &SubmoduleError{Path: strings.Join(here, "/"), URL: StripCredentials(m.url), Err: err}
		}
	}
	return nil
}

func (r *Repo) submodule(ctx context.Context, m submodule, source *Repo, base string, here []string) error {
	if len(here) > maxNesting {
		return fmt.Errorf("more than %d submodules inside each other", maxNesting)
	}
	if err := errors.Join(checkPath(m.path), checkHash(m.commit), checkModuleName(m.name)); err != nil {
		return err
	}
	url, err := resolveURL(base, m.url)
	if err != nil {
		return err
	}
	dir := filepath.Join(r.Dir, filepath.FromSlash(m.path))
	named, local := localPath(url)
	_, foreign := networkURL(base)
	if foreign {
		named = ""
	}
	from, err := source.copyOf(ctx, m, named)
	if err != nil {
		return err
	}
	var clone *Repo
	switch remote, network := networkURL(url); {
	case from != nil:
		clone, err = from.copyCommit(ctx, m.commit, dir)
	case network:
		clone, err = fetchCommit(ctx, remote, m.commit, dir)
	case local && foreign:
		err = errors.New("it is a folder on this machine, and the repository around it is not from here")
	default:
		err = fmt.Errorf("commit %s is in no local copy: %w", m.commit, ErrNotFound)
	}
	if err != nil {
		return err
	}
	if err := errors.Join(r.configure(ctx, "submodule."+m.name+".active", "true"),
		r.configure(ctx, "submodule."+m.name+".url", url)); err != nil {
		return err
	}
	return clone.submodules(ctx, m.commit, from, url, here)
}

// recordedSubmodules returns the submodules of a commit that have both an entry in its tree and one in .gitmodules;
// others cannot be checked out by anyone.
func (r *Repo) recordedSubmodules(ctx context.Context, commit string) ([]submodule, error) {
	entries, err := r.tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	links, recorded := map[string]string{}, false
	for _, e := range entries {
		if e.mode == modeSubmodule {
			links[e.path] = e.hash
		}
		recorded = recorded || e.path == ".gitmodules" && e.kind == "blob" && e.mode != modeLink
	}
	if len(links) == 0 || !recorded {
		return nil, nil
	}
	out, err := r.git(ctx, "config", "--blob", commit+":.gitmodules", "--list", "-z", "--no-includes")
	if err != nil {
		return nil, err
	}
	byName := map[string]*submodule{}
	for _, entry := range fields0(out) {
		key, value, _ := strings.Cut(entry, "\n")
		name, ok := strings.CutPrefix(key, "submodule.")
		dot := strings.LastIndexByte(name, '.')
		if !ok || dot < 0 {
			continue
		}
		name, key = name[:dot], name[dot+1:]
		if byName[name] == nil {
			byName[name] = &submodule{name: name}
		}
		switch key {
		case "path":
			byName[name].path = value
		case "url":
			byName[name].url = value
		}
	}
	var modules []submodule
	for _, m := range byName {
		if m.commit = links[m.path]; m.commit != "" {
			modules = append(modules, *m)
		}
	}
	slices.SortFunc(modules, func(a, b submodule) int { return strings.Compare(a.path, b.path) })
	return modules, nil
}

// checkModuleName refuses names that would leave the folder of modules (CVE-2018-11235).
func checkModuleName(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsAny(part, "\\\n\x00") {
			return fmt.Errorf("submodule name %q: %w", name, ErrName)
		}
	}
	return nil
}

// copyOf returns a local repository that has the submodule's commit: its work tree in r, its folder among r's modules,
// or named, a folder ("" is none); nil where there is none. r may be nil.
func (r *Repo) copyOf(ctx context.Context, m submodule, named string) (*Repo, error) {
	var places []*Repo
	if r != nil {
		if tree, err := Open(ctx, filepath.Join(r.Dir, filepath.FromSlash(m.path))); err == nil {
			places = append(places, tree)
		}
		out, err := r.git(ctx, "rev-parse", "--path-format=absolute", "--git-common-dir")
		if err != nil {
			return nil, err
		}
		modules := filepath.Join(strings.TrimSuffix(out, "\n"), "modules", filepath.FromSlash(m.name))
		if _, err := os.Stat(filepath.Join(modules, "objects")); err == nil {
			places = append(places, &Repo{Dir: modules, separate: true})
		}
	}
	if named != "" {
		if folder, err := Open(ctx, named); err == nil {
			places = append(places, folder)
		}
	}
	for _, place := range places {
		switch kind, err := place.ObjectType(ctx, m.commit); {
		case err == nil && kind == "commit":
			return place, nil
		case err != nil && !errors.Is(err, ErrNotFound):
			return nil, err
		}
	}
	return nil, nil
}

// fetchCommit makes a checkout of one commit from a server, without credentials.
func fetchCommit(ctx context.Context, remote, commit, dir string) (*Repo, error) {
	r, err := initialise(ctx, dir, objectFormat(commit))
	if err != nil {
		return nil, err
	}
	args := []string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--depth=1", "--", remote, commit}
	if _, err := r.run(ctx, command{args: args, protocols: "https:http"}); err != nil {
		return nil, err
	}
	return r, r.checkout(ctx, commit)
}

// resolveURL resolves a submodule's URL as git does (https://git-scm.com/docs/git-submodule): one that begins with ./
// or ../ is relative to base, a URL or a path. Credentials are taken out.
func resolveURL(base, recorded string) (string, error) {
	if strings.HasPrefix(recorded, "-") || strings.ContainsAny(recorded, "\x00\n\r") || recorded == "" {
		return "", fmt.Errorf("URL %q: %w", recorded, ErrName)
	}
	if !strings.HasPrefix(recorded, "./") && !strings.HasPrefix(recorded, "../") {
		return StripCredentials(recorded), nil
	}
	base, rest := strings.TrimRight(base, "/"), recorded
	for {
		if after, ok := strings.CutPrefix(rest, "./"); ok {
			rest = after
			continue
		}
		after, ok := strings.CutPrefix(rest, "../")
		if !ok {
			return StripCredentials(strings.TrimRight(base+"/"+rest, "/")), nil
		}
		cut := strings.LastIndexByte(base, '/')
		if cut < 0 || strings.HasSuffix(base[:cut], "/") || strings.HasSuffix(base[:cut], ":") {
			return "", fmt.Errorf("URL %q goes above %q", recorded, base)
		}
		base, rest = base[:cut], after
	}
}

// localPath returns the path of a file URL or a plain absolute path, "" for others.
func localPath(url string) (string, bool) {
	local, isFile := strings.CutPrefix(url, "file://")
	if !isFile && !path.IsAbs(url) && !filepath.IsAbs(url) {
		return "", false
	}
	return local, true
}

// networkURL returns the URL under which a server gives a repository to anyone: http and https as they are, SSH forms
// as https.
func networkURL(url string) (string, bool) {
	switch scheme, rest, ok := strings.Cut(url, "://"); {
	case ok && (scheme == "https" || scheme == "http"):
		return url, true
	case ok && (scheme == "ssh" || scheme == "git+ssh"):
		host, name, found := strings.Cut(rest, "/")
		host, _, _ = strings.Cut(host, ":")
		return "https://" + host + "/" + name, found
	case ok:
		return "", false
	}
	account, name, ok := strings.Cut(url, ":") // git@host:owner/name
	if !ok || strings.Contains(account, "/") {
		return "", false
	}
	return "https://" + account[strings.LastIndexByte(account, '@')+1:] + "/" + strings.TrimPrefix(name, "/"), true
}
