package repack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/prove"
)

var commitID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// Prove holds the crates of a redistribution against the revision that its bill names: upstream has the commit, every file
// of every crate is that commit's, and of its manifests nothing was changed but what the bill says. What cargo makes of a
// manifest (Cargo.toml in the crate, beside the original) is cargo's and is compared only with rebuild, which packages the
// crates again; src says how, and is otherwise just a folder to fetch upstream into.
func Prove(ctx context.Context, hub *forge.Client, s release.Snapshot, src *Source, rebuild bool) ([]prove.Proof, error) {
	bill := s.Remote.Ledger.Bill
	if bill == nil {
		return nil, nil
	}
	if bill.Upstream == nil || !commitID.MatchString(bill.Commit) {
		return []prove.Proof{{Name: "upstream", State: "missing", Detail: "the bill names no repository and commit that the crates are from"}}, nil
	}
	from := prove.Proof{Name: fmt.Sprintf("%s in %s", release.Short(bill.Commit), git.StripCredentials(bill.Upstream.Repository)), State: "same"}
	mirror, err := git.Mirror(ctx, bill.Upstream.Repository, filepath.Join(src.Scratch, "upstream.git"))
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		from.State, from.Detail = "unknown", err.Error()
		return []prove.Proof{from}, nil
	}
	if _, err := mirror.Commit(ctx, bill.Commit); errors.Is(err, git.ErrNotFound) {
		from.State, from.Detail = "missing", "no branch and no tag of it leads to the commit any more"
		return []prove.Proof{from}, nil
	} else if err != nil {
		return nil, err
	}
	u := upstream{repo: mirror, bill: bill}
	if err := u.list(ctx); err != nil {
		return nil, err
	}
	proofs := []prove.Proof{from}
	released := map[string]*cratefile.File{} // by name
	for _, c := range bill.Crates {
		file, err := fetched(ctx, hub, s, c)
		if err != nil {
			return nil, err
		}
		if file == nil {
			continue // it is missing or another one, which was said of the asset
		}
		released[c.Name] = file
		more, err := u.crate(ctx, file)
		if err != nil {
			return nil, err
		}
		proofs = append(proofs, more...)
	}
	if rebuild {
		src.mirror = mirror
		more, err := src.rebuild(ctx, bill, released)
		return append(proofs, more...), err
	}
	return proofs, nil
}

// fetched reads a crate of the release, nil where the release does not hold what the bill says.
func fetched(ctx context.Context, hub *forge.Client, s release.Snapshot, c release.BillCrate) (*cratefile.File, error) {
	assets, err := hub.Assets(ctx, s.Remote.Releases[0].ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(assets, func(a forge.Asset) bool { return a.Name == c.Asset && a.Size == c.Size })
	if i < 0 {
		return nil, nil
	}
	body, err := hub.DownloadAsset(ctx, assets[i])
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, c.Size))
	if err != nil {
		return nil, fmt.Errorf("download %s: %w", c.Asset, err)
	}
	file, err := cratefile.Read(content, cratefile.Limits{})
	if err != nil || file.SHA256 != c.SHA256 {
		return nil, nil
	}
	return file, nil
}

// crate compares one crate with the commit.
func (u *upstream) crate(ctx context.Context, c *cratefile.File) ([]prove.Proof, error) {
	name := c.Name + " " + c.Version
	files := prove.Proof{Name: name + " is made of that commit's files", State: "same"}
	if c.VCS == nil || c.VCS.SHA1 != u.bill.Commit && u.module(c.VCS.SHA1) == "" {
		files.State, files.Detail = "different", ".cargo_vcs_info.json names another commit"
		return []prove.Proof{files}, nil
	}
	dir := strings.TrimSuffix(c.VCS.Path, "/")
	if module := u.module(c.VCS.SHA1); module != "" {
		if dir = path.Join(module, dir); u.clone == nil {
			files.State, files.Detail = "unknown", "it is of the submodule "+module+", which is not fetched"
			return []prove.Proof{files}, nil
		}
	}
	original := prove.Proof{Name: name + " has a manifest with the bill's changes alone", State: "missing", Detail: "Cargo.toml.orig is not in it"}
	var other, unseen []string
	err := c.Each(func(at string, size int64, content io.Reader) error {
		switch at {
		case ".cargo_vcs_info.json", "Cargo.toml", "Cargo.lock": // cargo's own
			return nil
		case "Cargo.toml.orig":
			text, err := io.ReadAll(content)
			if err == nil {
				original.State, original.Detail, err = u.manifest(ctx, path.Join(dir, "Cargo.toml"), text)
			}
			return err
		}
		id, err := forge.BlobID(size, content)
		if err != nil {
			return err
		}
		e, ok, err := u.find(ctx, path.Join(dir, at))
		switch {
		case err != nil:
			return err
		case ok && e.id == id, !ok && u.brought(c.Manifest, at, id):
		case !ok && u.inModule(path.Join(dir, at)):
			unseen = append(unseen, at)
		default:
			other = append(other, at)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	switch {
	case len(other) > 0:
		files.State, files.Detail = "different", some(other)
	case len(unseen) > 0:
		files.State, files.Detail = "unknown", "of a submodule, which is not fetched: "+some(unseen)
	}
	return []prove.Proof{files, original}, nil
}

// some names a few of many.
func some(names []string) string {
	if len(names) > 10 {
		return strings.Join(names[:10], "\n") + fmt.Sprintf("\nand %d more", len(names)-10)
	}
	return strings.Join(names, "\n")
}

// manifest compares the original manifest of a crate with the commit's: each value that differs must be one that the bill
// names.
func (u *upstream) manifest(ctx context.Context, name string, text []byte) (state, detail string, err error) {
	theirs, err := u.repo.File(ctx, u.bill.Commit, name)
	if errors.Is(err, git.ErrNotFound) {
		return "different", "the commit has no " + name, nil
	}
	if err != nil || bytes.Equal(theirs, text) {
		return "same", "", err
	}
	var before, after map[string]any
	if err := errors.Join(toml.Unmarshal(theirs, &before), toml.Unmarshal(text, &after)); err != nil {
		return "different", err.Error(), nil
	}
	was, is := map[string]string{}, map[string]string{}
	flatten(was, "", before)
	flatten(is, "", after)
	var wrong []string
	for _, key := range slices.Sorted(maps.Keys(is)) {
		if was[key] != is[key] && !slices.Contains(u.bill.Upstream.Changes, name+": "+key+" = "+is[key]) {
			wrong = append(wrong, key+" = "+is[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(was)) {
		if _, there := is[key]; !there {
			wrong = append(wrong, key+" is gone")
		}
	}
	if len(wrong) > 0 {
		return "different", some(wrong), nil
	}
	return "same", "", nil
}

// flatten lists the values of a table by their keys, as the bill writes both. A dependency that is a text is its version.
func flatten(out map[string]string, key string, value any) {
	table, ok := value.(map[string]any)
	if !ok {
		out[key] = fmt.Sprintf("%#v", value)
		if text, ok := value.(string); ok {
			out[key] = fmt.Sprintf("%q", text)
			if parts := strings.Split(key, "."); len(parts) > 1 && strings.HasSuffix(parts[len(parts)-2], "dependencies") {
				delete(out, key)
				out[key+".version"] = fmt.Sprintf("%q", text)
			}
		}
		return
	}
	for k, v := range table {
		flatten(out, strings.TrimPrefix(key+"."+k, "."), v)
	}
}
