// Package mirror moves crates from one registry to another, byte for byte: it looks at both, lets package redist plan,
// and does the steps. What is on its way lies in files; in memory there are only the pieces that are being copied.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tagboat/tagboat/internal/cargo/lockfile"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/semver"
)

// World is the two registries and this machine, as far as a run touches them.
type World struct {
	Source, Target *registry.Client
	CratesIO       bool   // the source holds crates.io's own crates
	TokenVariable  string // which variable holds the target's token, for people
	Scratch        string // an existing folder of this run alone
	Rules          config.ThirdParty
	MaxWait        time.Duration // the longest that a run waits for a rate limit
	// Deny asks cargo-deny about crates of a source, where the rules want it.
	Deny func(ctx context.Context, source string, crates []redist.Crate) ([]redist.Advisory, error)
}

// Lock is a lock file whose crates are wanted.
type Lock struct {
	Name string // as people know it
	Text []byte
}

// Request says what is wanted.
type Request struct {
	Name   string // of the [[redist]]
	Locks  []Lock
	Crates []string // NAME@VERSION
	DryRun bool
}

// looks is how many questions are asked at the same time of one registry.
const looks = 32

// Observe looks at both registries and writes nothing.
func Observe(ctx context.Context, w World, req Request) (redist.Snapshot, error) {
	s := redist.Snapshot{TakenAt: time.Now().UTC().Truncate(time.Second), Name: req.Name, Rules: w.Rules, DryRun: req.DryRun}
	source, target := w.Source.Registry(), w.Target.Registry()
	s.Source = redist.Side{Name: source.Name, Index: source.Index, CratesIO: w.CratesIO}
	s.Target = redist.Side{Name: target.Name, Index: target.Index, AwaitAll: target.Wait == registry.Index}
	if cratefile.SameIndex(source.Index, target.Index) {
		return s, &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("%s and %s are the same registry", source.Name, target.Name), Detail: source.Index, Hint: "--from is where the crates are, --to where they are wanted"}
	}
	wanted, left, err := want(w, req)
	if err != nil {
		return s, err
	}
	s.Crates, s.Left = wanted, left
	g, asking := errgroup.WithContext(ctx)
	g.Go(func() error { return w.access(asking, w.Source, &s.Source, "") })
	g.Go(func() error { return w.access(asking, w.Target, &s.Target, w.TokenVariable) })
	if err := g.Wait(); err != nil || s.Source.Problem+s.Target.Problem != "" {
		return s, err
	}
	if err := lookAll(ctx, w, &s); err != nil {
		return s, err
	}
	s.Advisories, err = advisories(ctx, w, s.Crates)
	return s, err
}

// want lists what is asked for, each version once.
func want(w World, req Request) (wanted []redist.Crate, left []string, err error) {
	at := map[string]int{}
	add := func(c redist.Crate) error {
		if _, err := semver.Parse(c.Version); err != nil || cratefile.CheckName(c.Name) != nil {
			return &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("%q names no version of a crate", c.Key()), File: c.LockedBy, Hint: "write NAME@VERSION, as serde@1.0.219"}
		}
		i, known := at[c.Key()]
		if !known {
			at[c.Key()] = len(wanted)
			wanted = append(wanted, c)
			return nil
		}
		old := &wanted[i]
		if c.Locked != "" && old.Locked != "" && c.Locked != old.Locked {
			return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("two lock files have %s %s with different checksums", c.Name, c.Version),
				Detail: fmt.Sprintf("%s  sha256 %s\n%s  sha256 %s", old.LockedBy, old.Locked, c.LockedBy, c.Locked), Hint: "nothing was moved; one of the two cannot be built any more"}
		}
		if old.Locked == "" {
			old.Locked, old.LockedBy = c.Locked, c.LockedBy
		}
		old.Needs, old.Direct = append(old.Needs, c.Needs...), old.Direct || c.Direct
		return nil
	}
	for _, l := range req.Locks {
		packages, err := lockfile.Parse(l.Text)
		if err != nil {
			return nil, nil, &problem.Error{Kind: problem.Usage, Summary: "the lock file cannot be read", Detail: err.Error(), File: l.Name, Hint: "cargo generate-lockfile makes it anew"}
		}
		direct := map[string]bool{}
		for _, p := range packages {
			for _, key := range p.Needs {
				direct[key] = direct[key] || p.Source == ""
			}
		}
		for _, p := range packages {
			if !w.holds(p) {
				if p.Source != "" {
					left = append(left, fmt.Sprintf("%s %s from %s", p.Name, p.Version, userinfo.ReplaceAllString(p.Source, "://")))
				}
				continue
			}
			if err := add(redist.Crate{Name: p.Name, Version: p.Version, Locked: strings.ToLower(p.Checksum), LockedBy: l.Name, Needs: p.Needs, Direct: direct[p.Key()]}); err != nil {
				return nil, nil, err
			}
		}
	}
	for _, text := range req.Crates {
		name, version, _ := strings.Cut(text, "@")
		if err := add(redist.Crate{Name: name, Version: version, Direct: true}); err != nil {
			return nil, nil, err
		}
	}
	return wanted, left, nil
}

// userinfo is the part of an address that may hold a password.
var userinfo = regexp.MustCompile(`://[^/@]*@`)

// holds reports whether the source is where a lock file takes a package from.
func (w World) holds(p lockfile.Package) bool {
	index, ok := p.Index()
	if !ok {
		return false
	}
	if w.CratesIO && (cratefile.SameIndex(index, "") || index == "sparse+https://index.crates.io/") {
		return true
	}
	return cratefile.SameIndex(index, w.Source.Registry().Index)
}

// access finds out whether a registry can be used; variable is given for the one that is written to.
func (w World) access(ctx context.Context, client *registry.Client, side *redist.Side, variable string) error {
	var got registry.Access
	err := w.patiently(ctx, func() (err error) {
		got, err = client.Check(ctx)
		return err
	})
	side.Auth = got.AuthRequired
	var re *registry.Error
	switch {
	case err == nil && got.Read == registry.No, err == nil && variable != "" && got.Publish == registry.No:
		side.Problem, side.Hint = strings.Join(got.Detail, "\n"), "its token is read from "+variable
		if variable == "" {
			side.Hint = "it wants a token for reading: cargo's variable for it, CARGO_REGISTRIES_NAME_TOKEN"
		}
	case err == nil:
	case errors.As(err, &re) && !re.Retryable():
		side.Problem, side.Hint = re.Error(), "is its index right, in "+config.File+" or .cargo/config.toml?"
	default:
		return unanswered(ctx, err, side.Name)
	}
	return nil
}

// unanswered says what to do about a question that got no answer, or none that can be used.
func unanswered(ctx context.Context, err error, name string) error {
	var re *registry.Error
	switch {
	case err == nil || ctx.Err() != nil || errors.As(err, new(*problem.Error)):
		return err
	case errors.As(err, &re) && !re.Retryable():
		return &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the index of registry %s cannot be used", name), Err: err, Hint: "nothing was moved: ask who runs the registry"}
	}
	return &problem.Error{Kind: problem.Failed, Summary: fmt.Sprintf("registry %s does not answer", name), Err: err, Hint: "run again when it does; nothing was moved"}
}

// lookAll asks both indexes for every crate.
func lookAll(ctx context.Context, w World, s *redist.Snapshot) error {
	names := map[string][]int{}
	var order []string
	for i, c := range s.Crates {
		if names[c.Name] == nil {
			order = append(order, c.Name)
		}
		names[c.Name] = append(names[c.Name], i)
	}
	var mu sync.Mutex
	outer, ctx := errgroup.WithContext(ctx)
	for _, side := range []struct {
		client *registry.Client
		note   func(c *redist.Crate, e registry.Entry)
	}{
		{w.Source, func(c *redist.Crate, e registry.Entry) { noteSource(c, e, names, s.Crates) }},
		{w.Target, func(c *redist.Crate, e registry.Entry) { c.There, c.ThereYanked = e.Checksum, e.Yanked }},
	} {
		outer.Go(func() error {
			g, ctx := errgroup.WithContext(ctx)
			g.SetLimit(looks)
			for _, name := range order {
				g.Go(func() error {
					var entries []registry.Entry
					err := w.patiently(ctx, func() (err error) {
						entries, err = side.client.Lookup(ctx, name)
						return err
					})
					mu.Lock()
					defer mu.Unlock()
					for _, i := range names[name] {
						if e, ok := registry.Find(entries, s.Crates[i].Version); ok && err == nil {
							side.note(&s.Crates[i], e)
						}
					}
					return unanswered(ctx, err, side.client.Registry().Name)
				})
			}
			return g.Wait()
		})
	}
	return outer.Wait()
}

// noteSource takes over what the source's index says. Where no lock file tells what a crate uses, the index tells what it
// may use.
func noteSource(c *redist.Crate, e registry.Entry, names map[string][]int, all []redist.Crate) {
	c.Sum, c.Yanked, c.Published = e.Checksum, e.Yanked, e.Published
	if c.LockedBy != "" {
		return
	}
	for _, d := range e.Deps {
		name := d.Name
		if d.Package != "" {
			name = d.Package
		}
		if d.Kind == "dev" || d.Registry != "" {
			continue
		}
		for _, i := range names[name] {
			if all[i].Key() != c.Key() {
				c.Needs = append(c.Needs, all[i].Key())
			}
		}
	}
}

// patiently asks again where a registry stumbled, for some seconds, or asked for a pause, as long as a run may wait: one
// lost answer out of hundreds should not end a run that has not begun.
func (w World) patiently(ctx context.Context, ask func() error) error {
	began := time.Now()
	for wait := 250 * time.Millisecond; ; {
		err := ask()
		var re *registry.Error
		if err == nil || !errors.As(err, &re) || !re.Retryable() {
			return err
		}
		pause := time.Until(re.RetryAt)
		switch {
		case w.MaxWait > 0 && re.RetryAt.Sub(began) > w.MaxWait:
			return &problem.Error{Kind: problem.Waiting, Summary: fmt.Sprintf("registry %s answers nothing until %s", re.Registry, re.RetryAt.UTC().Format(time.RFC3339)), Detail: re.Error(), Until: re.RetryAt,
				Hint: "run again then; nothing was moved"}
		case pause <= 0 && wait > 4*time.Second:
			return err
		case pause <= 0:
			pause, wait = wait, 2*wait
		}
		if e := converge.Sleep(ctx, pause); e != nil {
			return err
		}
	}
}
