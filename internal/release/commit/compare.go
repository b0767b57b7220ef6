package commit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/handover"
	"github.com/tagboat/tagboat/internal/release/observe"
)

// comparison holds packages against the commit that they are said to be of.
type comparison struct {
	packages  *handover.Folder
	checkout  *release.Checkout
	config    config.Config
	workspace *cargo.Workspace
	tree      *tree
}

// run returns a stop for the first thing that differs.
func (x comparison) run(ctx context.Context) error {
	if err := x.sameCrates(); err != nil {
		return err
	}
	for _, c := range x.packages.Crates {
		member, _ := x.workspace.Member(c.Name)
		crate, _ := x.packages.File(c.Asset)
		if crate.Version != member.Version {
			return differs("another version of "+c.Name, fmt.Sprintf("package   %s\n%s  %s", crate.Version, member.Manifest, member.Version))
		}
		own := x.own(c)
		if crate.VCS.Dirty && own == "" {
			return differs(c.Name+" was packaged with uncommitted changes", ".cargo_vcs_info.json says so")
		}
		if err := sameManifest(crate.Manifest, x.owned(member, own)); err != nil {
			return err
		}
		if err := x.sameFiles(ctx, crate, member, own); err != nil {
			return err
		}
	}
	return nil
}

// own is the registry in which these bytes of a crate find their siblings though the manifest does not say so: cargo then
// packages a manifest that is not the commit's, and says that it is dirty.
func (x comparison) own(c release.BillCrate) string {
	for _, r := range c.Registries {
		if r.Name != cargo.CratesIO && x.config.Registries[r.Name].OwnSiblings {
			return r.Name
		}
	}
	return ""
}

// bound are the crates that go to a registry.
func (x comparison) bound(registry string) (names []string) {
	for _, c := range x.checkout.Crates {
		if slices.Contains(c.Registries, registry) {
			names = append(names, c.Name)
		}
	}
	return names
}

// owned is a member with the registry of its own siblings, as its packages for that registry have it.
func (x comparison) owned(member cargo.Package, own string) cargo.Package {
	if own == "" {
		return member
	}
	var homes []string
	for _, m := range x.workspace.Publishable(own) {
		homes = append(homes, m.Name)
	}
	member.Dependencies = slices.Clone(member.Dependencies)
	for i, d := range member.Dependencies {
		if d.Path != "" && d.HasVersion && d.Registry == "" && slices.Contains(homes, d.Name) {
			member.Dependencies[i].Registry = observe.IndexOf(*x.checkout, x.config, own)
		}
	}
	return member
}

// sameCrates compares which crates go where.
func (x comparison) sameCrates() error {
	wanted := map[[2]string]bool{}
	for _, c := range x.checkout.Crates {
		for _, name := range c.Registries {
			wanted[[2]string{c.Name, name}] = true
			if x.packages.Crate(c.Name, name) == nil {
				return differs("a crate is missing", fmt.Sprintf("%s %s for registry %s", c.Name, c.Version, name))
			}
		}
	}
	for _, c := range x.packages.Crates {
		for _, r := range c.Registries {
			if !wanted[[2]string{c.Name, r.Name}] {
				return differs("a crate too many", fmt.Sprintf("the commit publishes no %s to registry %s", c.Name, r.Name))
			}
			if index := observe.IndexOf(*x.checkout, x.config, r.Name); index != r.Index {
				return differs("another index of registry "+r.Name, fmt.Sprintf("packages  %s\ncommit    %s", r.Index, index))
			}
		}
	}
	return nil
}

// sameManifest compares what a packaged manifest tells the registry with the manifest of the commit: cargo writes it anew,
// so its bytes are not the commit's.
func sameManifest(packaged *cratefile.Manifest, member cargo.Package) error {
	for _, f := range []struct {
		key, want string
		got       *string
	}{
		{"description", member.Description, packaged.Description}, {"documentation", member.Documentation, packaged.Documentation}, {"homepage", member.Homepage, packaged.Homepage},
		{"repository", member.Repository, packaged.Repository}, {"license", member.License, packaged.License}, {"links", member.Links, packaged.Links}, {"rust-version", member.RustVersion, packaged.RustVersion},
	} {
		got := ""
		if f.got != nil {
			got = *f.got
		}
		if got != f.want {
			return differs(fmt.Sprintf("another %s of %s", f.key, member.Name), fmt.Sprintf("package   %q\n%s  %q", got, member.Manifest, f.want))
		}
	}
	for _, f := range []struct {
		key       string
		want, got []string
	}{{"authors", member.Authors, packaged.Authors}, {"keywords", member.Keywords, packaged.Keywords}, {"categories", member.Categories, packaged.Categories}} {
		if !slices.Equal(f.got, f.want) {
			return differs(fmt.Sprintf("other %s of %s", f.key, member.Name), fmt.Sprintf("package   %q\n%s  %q", f.got, member.Manifest, f.want))
		}
	}
	return sameDependencies(packaged, member)
}

// sameDependencies compares what whoever uses the crate will get besides.
func sameDependencies(packaged *cratefile.Manifest, member cargo.Package) error {
	var want, got []string
	for _, d := range member.Dependencies {
		if d.Kind == "dev" && !d.HasVersion {
			continue // cargo leaves it out
		}
		key := d.Name
		if d.Rename != "" {
			key = d.Rename
		}
		want = append(want, dependency{key, d.Name, d.Req, d.Kind, d.Target, d.Registry, d.Optional}.String())
	}
	for _, d := range packaged.Dependencies {
		got = append(got, dependency{d.Key, d.Package, d.Req, d.Kind, d.Target, d.Registry, d.Optional}.String())
	}
	slices.Sort(want)
	slices.Sort(got)
	for _, d := range got {
		if !slices.Contains(want, d) {
			return differs("another dependency of "+member.Name, fmt.Sprintf("package   %s\n%s does not have it", d, member.Manifest))
		}
	}
	for _, d := range want {
		if !slices.Contains(got, d) {
			return differs("a dependency of "+member.Name+" is missing", fmt.Sprintf("%s  %s", member.Manifest, d))
		}
	}
	return nil
}

// dependency is what the resolver of whoever uses the crate reads.
type dependency struct {
	key, name, req, kind, target, registry string
	optional                               bool
}

func (d dependency) String() string {
	s := fmt.Sprintf("%s = %q", d.name, d.req)
	if d.key != d.name {
		s = d.key + ", which is " + s
	}
	if d.kind != "normal" {
		s += " (" + d.kind + ")"
	}
	if d.target != "" {
		s += " for " + strings.Join(strings.Fields(d.target), "")
	}
	if !cratefile.SameIndex(d.registry, "") {
		s += " from " + d.registry
	}
	if d.optional {
		s += ", optional"
	}
	return s
}

// sameFiles holds every file of a package against the file of the commit, by git's id of its content. Three are cargo's
// own: the manifest, whose original is in the package, too; the lock file; and where it came from.
func (x comparison) sameFiles(ctx context.Context, crate *cratefile.File, member cargo.Package, own string) error {
	dir := member.Dir()
	if at := strings.TrimSuffix(crate.VCS.Path, "/"); at != dir && !(at == "" && dir == ".") {
		return differs("another place of "+crate.Name, fmt.Sprintf("package  %s\ncommit   %s", at, dir))
	}
	if !slices.Contains(crate.Files, "Cargo.toml.orig") {
		return differs(crate.Name+" lacks its original manifest", "Cargo.toml.orig is what cargo calls it")
	}
	var unseen []string // of submodules
	err := crate.Each(func(name string, size int64, content io.Reader) error {
		from := path.Join(dir, name)
		switch name {
		case ".cargo_vcs_info.json", "Cargo.toml":
			return nil
		case "Cargo.lock":
			return x.sameLock(ctx, crate, content)
		case "Cargo.toml.orig":
			if own != "" {
				return x.sameOriginal(ctx, member, own, content)
			}
			from = member.Manifest
		}
		want, err := x.tree.find(ctx, from)
		if errors.Is(err, fs.ErrNotExist) {
			for _, outside := range []string{member.Readme, member.LicenseFile} { // cargo takes them to the package's root
				if outside != "" && path.Base(outside) == name {
					want, err = x.tree.find(ctx, path.Join(dir, outside))
				}
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return differs(fmt.Sprintf("%s holds a file that the commit has not", crate.Name), name)
		}
		if err != nil {
			return err
		}
		if want.Mode == submoduleMode {
			if !slices.Contains(unseen, want.Path) {
				unseen = append(unseen, want.Path)
			}
			return nil
		}
		got, err := forge.BlobID(size, content)
		if err == nil && got != want.SHA {
			err = differs(fmt.Sprintf("a file of %s is another one", crate.Name), fmt.Sprintf("%s\npackage  %s\ncommit   %s", name, got, want.SHA))
		}
		return err
	})
	for _, module := range unseen {
		x.checkout.Findings = append(x.checkout.Findings, release.Finding{Rule: "isolation", Severity: release.Warn, Summary: fmt.Sprintf("the files of %s below %s were not compared with the commit", crate.Name, module),
			Detail: "it is a submodule, whose files are not in this repository", Hint: "release without --packages, from a checkout, where nobody but Tagboat shall be believed"})
	}
	return err
}

// sameOriginal compares the original manifest of a package that finds its siblings in a registry of its own.
func (x comparison) sameOriginal(ctx context.Context, member cargo.Package, own string, content io.Reader) error {
	got, err := io.ReadAll(io.LimitReader(content, maxText+1))
	if err != nil {
		return err
	}
	text, err := x.tree.read(ctx, member.Manifest)
	if err != nil {
		return err
	}
	want, err := pack.Owned(x.workspace, x.bound(own), own, member.Manifest, text)
	if err == nil && !bytes.Equal(got, want) {
		err = errors.New("it is not what Tagboat makes of the commit's")
	}
	if err != nil {
		return differs("another manifest of "+member.Name+" for registry "+own, err.Error())
	}
	return nil
}
