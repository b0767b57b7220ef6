package repack

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/prove"
)

// Again returns the work that a bill tells of, so that it can be done once more: which crates of which commit, for which
// registry, with what was supplied for their manifests. The versions are the bill's own.
func Again(b *release.Bill) (config.Redist, error) {
	job := config.Redist{Metadata: map[string]string{}}
	if b == nil || b.Upstream == nil || len(b.Crates) == 0 {
		return job, &problem.Error{Kind: problem.Stopped, Summary: "the bill names no crates and no repository that they are from", Hint: "verify it without --rebuild, which says more"}
	}
	job.Source, job.Rev = b.Upstream.Repository, b.Commit
	for _, c := range b.Crates {
		if len(c.Registries) != 1 || job.Registry != "" && c.Registries[0].Name != job.Registry || slices.Contains(job.Crates, c.Name) {
			return job, &problem.Error{Kind: problem.Stopped, Summary: "the bill is not one of a redistribution", Detail: c.Name + " is in it twice, or goes to several registries"}
		}
		job.Registry, job.Crates = c.Registries[0].Name, append(job.Crates, c.Name)
	}
	for _, line := range b.Upstream.Changes {
		_, change, _ := strings.Cut(line, ": ")
		key, quoted, _ := strings.Cut(change, " = ")
		if key, ok := strings.CutPrefix(key, "package."); ok && key != "version" {
			if value, err := strconv.Unquote(quoted); err == nil {
				job.Metadata[key] = value
			}
		}
	}
	return job, nil
}

// rebuild packages the crates of a bill again and compares them with those of the release, byte by byte. No code of theirs
// runs: what was verified once is not built again.
func (s *Source) rebuild(ctx context.Context, b *release.Bill, released map[string]*cratefile.File) ([]prove.Proof, error) {
	s.Order.Rules, s.Config.Package.Verify = config.ThirdParty{}, false
	s.of(b)
	if err := s.rewrite(ctx, &release.Checkout{Commit: b.Commit, Upstream: &release.Upstream{}}); err != nil {
		return nil, err
	}
	out := filepath.Join(s.Scratch, "rebuilt")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for rebuilt crates: %w", err)
	}
	order := observe.PackageOrder{Crates: s.Order.Job.Crates, Out: out}
	order.Registry.Name = s.Order.Job.Registry
	packed, err := s.Package(ctx, order)
	if err != nil {
		return nil, err
	}
	var proofs []prove.Proof
	same := true
	for _, p := range packed.Crates {
		proof := prove.Proof{Name: fmt.Sprintf("%s %s packaged again", p.Name, p.Version), State: "same"}
		if c := b.Crate(p.Name); c.SHA256 != p.SHA256 {
			same = false
			proof.State = "different"
			if proof.Detail, err = differing(released[p.Name], p.Path); err != nil {
				return nil, err
			}
			if packed.LockMade && proof.Detail == "Cargo.lock" {
				proof.Detail += ": upstream's is none or is out of date, so dependencies were chosen when it was packaged"
			}
		}
		proofs = append(proofs, proof)
	}
	if !same && packed.Cargo != b.Cargo {
		proofs = append(proofs, prove.Proof{Name: "toolchain", State: "different", Detail: fmt.Sprintf("bill   %s\nthere  %s", b.Cargo, packed.Cargo)})
	}
	return proofs, nil
}

// differing names the files in which a package that was made again differs from the released one, nil where the release
// does not hold it.
func differing(released *cratefile.File, again string) (string, error) {
	if released == nil {
		return "the release does not hold the file that the bill names", nil
	}
	file, err := cratefile.Open(again, cratefile.Limits{})
	if err != nil {
		return "", err
	}
	before, err := sums(released)
	if err != nil {
		return "", err
	}
	after, err := sums(file)
	if err != nil {
		return "", err
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if sum, there := after[name]; !there {
			names = append(names, name+" is in the released one alone")
		} else if sum != before[name] {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, there := before[name]; !there {
			names = append(names, name+" is in the new one alone")
		}
	}
	if len(names) == 0 {
		return "the same files, in another archive", nil
	}
	return some(names), nil
}

func sums(f *cratefile.File) (map[string][sha256.Size]byte, error) {
	out := map[string][sha256.Size]byte{}
	err := f.Each(func(name string, _ int64, content io.Reader) error {
		h := sha256.New()
		_, err := io.Copy(h, content)
		out[name] = [sha256.Size]byte(h.Sum(nil))
		return err
	})
	return out, err
}
