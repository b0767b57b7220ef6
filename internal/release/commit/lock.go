package commit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/release"
)

// locked is one package of a lock file.
type locked struct {
	Name, Version, Source, Checksum string
}

func parseLock(text []byte) (out []locked, err error) {
	var file struct{ Package []locked }
	err = toml.Unmarshal(text, &file)
	return file.Package, err
}

// sameLock holds the lock file of a package, which cargo writes anew, against the commit's: who installs the crate with
// --locked gets what it names. A package that the commit locks with other bytes is a stop, and so is one that it does not
// lock at all, unless there is a reason: a sibling that was published before, or a configuration that does not ask for the
// lock file. Then it is shown.
func (x comparison) sameLock(ctx context.Context, crate *cratefile.File, content io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(content, maxText+1))
	if err != nil {
		return err
	}
	if len(text) > maxText {
		return differs("the lock file of "+crate.Name+" is too large", fmt.Sprintf("more than %d bytes", maxText))
	}
	ours, err := parseLock(text)
	if err != nil {
		return differs("the lock file of "+crate.Name+" cannot be read", err.Error())
	}
	text, err = x.tree.read(ctx, "Cargo.lock")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a finding about the commit says so
	}
	if err != nil {
		return err
	}
	theirs, err := parseLock(text)
	if err != nil {
		return nil // so it does here
	}
	var unknown []string
	loose := !x.config.Package.Locked
	for _, p := range ours {
		i := slices.IndexFunc(theirs, func(q locked) bool {
			return q.Name == p.Name && q.Version == p.Version && (q.Source == p.Source || q.Source == "")
		})
		if _, member := x.workspace.Member(p.Name); member && p.Source != "" && len(x.siblings(p)) == 0 {
			loose = true
		}
		switch {
		case p.Source == "":
		case i < 0:
			unknown = append(unknown, p.Name+" "+p.Version)
		case theirs[i].Source == "":
			if sums := x.siblings(p); len(sums) > 0 && !slices.Contains(sums, p.Checksum) {
				return differs("the lock file of "+crate.Name+" names another "+p.Name, fmt.Sprintf("lock file  %s\npackage    %s", p.Checksum, strings.Join(sums, " ")))
			}
		case theirs[i].Checksum != p.Checksum:
			return differs("the lock file of "+crate.Name+" names another "+p.Name, fmt.Sprintf("package  %s\ncommit   %s", p.Checksum, theirs[i].Checksum))
		}
	}
	switch {
	case len(unknown) == 0:
	case loose:
		x.checkout.Findings = append(x.checkout.Findings, release.Finding{Rule: "lock-current", Severity: release.Warn, Summary: fmt.Sprintf("the lock file in the package of %s names what the commit's does not", crate.Name),
			Detail: strings.Join(unknown, "\n"), Hint: "look whether these are dependencies of siblings that were published before"})
	default:
		return differs("the lock file of "+crate.Name+" names what the commit's does not", strings.Join(unknown, "\n"))
	}
	return nil
}

// siblings are the checksums of the handed-over crates that a lock file can mean: one for each registry that needs bytes of
// its own.
func (x comparison) siblings(p locked) (sums []string) {
	for _, c := range x.packages.Crates {
		if c.Name == p.Name && c.Version == p.Version {
			sums = append(sums, c.SHA256)
		}
	}
	return sums
}
