// Package depot is what people ask of tagboat redist: which crates, from where, to where, and the registries and the
// repository for it.
package depot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/cargo/lockfile"
	"github.com/tagboat/tagboat/internal/cargo/manifest"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/notice"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/problem/disk"
	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/redist/deny"
	"github.com/tagboat/tagboat/internal/redist/mirror"
	"github.com/tagboat/tagboat/internal/redist/repack"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/registry/gate"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/release/ship"
)

// Depot is one call of the program, as far as crates of others go.
type Depot struct {
	Config  config.Config
	Indexes map[string]string // of registries that .cargo/config.toml names
	Dir     string            // where lock files are
	Env     map[string]string

	IndexVariable func(registry string) string // where cargo looks for a registry's index
	Open          func(name, index string) (registry.Registry, registry.Options, error)
	HasToken      func(registry string) bool
	TokenFrom     func(registry string) string // names the variable that a registry's token is read from
	Keys          func() []release.BillKey
	Hub           func(ctx context.Context) (*forge.Client, error) // the repository that keeps the ledger
	Draw          func(title string, p converge.Plan) func(converge.Event)
	Say           func(format string, args ...any)
}

// Flags say what to move where tagboat.toml does not, and how.
type Flags struct {
	From, To                      string
	Locks                         []string
	Crates                        []string
	Git, Rev                      string
	Name                          string
	Scheme                        string
	Watch                         string
	Metadata                      map[string]string
	Dry                           bool
	Parallel                      int
	Deadline                      time.Duration
	Repository, APIURL, UploadURL string // of GitHub, for the ledger
	Summary                       string // a file for the report as Markdown
	Issue                         bool   // keep an issue about what upstream has published itself
}

// Load reads tagboat.toml as it lies in a folder, and what .cargo/config.toml says of registries; there may be no git
// repository around them.
func Load(dir string) (config.Config, map[string]string, error) {
	tree, err := manifest.Open(dir)
	if err != nil {
		return config.Config{}, nil, &problem.Error{Kind: problem.Usage, Summary: "the folder cannot be read", Err: err}
	}
	defer tree.Close()
	s, err := tree.Settings()
	if err != nil {
		return config.Config{}, nil, &problem.Error{Kind: problem.Usage, Summary: "cargo's configuration cannot be read", Err: err}
	}
	text, err := os.ReadFile(filepath.Join(dir, config.File))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return config.Default(), s.Registries, nil
	case err != nil:
		return config.Config{}, nil, &problem.Error{Kind: problem.Failed, Summary: "cannot read the configuration", Err: err}
	}
	cfg, _, err := config.Load(text, config.File)
	return cfg, s.Registries, err
}

// Redistribute does what flags or names mean. The report is nil where there was no world to work on.
func (d *Depot) Redistribute(ctx context.Context, names []string, f Flags) (*redist.Report, error) {
	jobs, err := f.jobs(d.Config, names)
	if err != nil {
		return nil, err
	}
	var whole *redist.Report
	for _, job := range jobs {
		one := d.fromRegistry
		if job.Git() {
			one = d.fromGit
		}
		r, err := one(ctx, job, f)
		if r == nil {
			return nil, err
		}
		if whole == nil {
			whole = r
		} else {
			whole.Join(*r)
		}
	}
	return whole, nil
}

// jobs are the pieces of work that flags or names mean.
func (f Flags) jobs(cfg config.Config, names []string) ([]config.Redist, error) {
	byFlags := f.From+f.Git != "" || f.To != "" || len(f.Locks)+len(f.Crates) > 0
	usage := func(summary, hint string) error {
		return &problem.Error{Kind: problem.Usage, Summary: summary, Hint: hint}
	}
	switch {
	case byFlags && len(names) > 0:
		return nil, usage("names of [[redist]] and flags that say what to move exclude each other", "give one or the other")
	case byFlags && f.Git != "" && (f.From != "" || f.To == "" || f.Rev == "" || len(f.Crates) == 0 || len(f.Locks) > 0):
		return nil, usage("which crates of which revision, to where?", "with --git give --rev, --to and --crate, and neither --from nor --lock")
	case f.Git == "" && f.Rev+f.Scheme+f.Name != "" || f.Git == "" && len(f.Metadata) > 0:
		return nil, usage("--rev, --name, --version-scheme and --metadata are for --git", "a [[redist]] in "+config.File+" says them itself")
	case f.Name != "" && f.Name != repack.Name(config.Redist{Source: f.Name}):
		return nil, usage(fmt.Sprintf("--name %q cannot be part of a tag's name", f.Name), "use letters, digits, - and _")
	case byFlags && f.Git != "":
		url := f.Git
		if info, err := os.Stat(url); err == nil && info.IsDir() {
			if abs, err := filepath.Abs(url); err == nil {
				url = abs
			}
		}
		return []config.Redist{{Name: f.Name, Source: url, Rev: f.Rev, Version: f.Scheme, Watch: f.Watch, Metadata: f.Metadata, Registry: f.To, Crates: f.Crates}}, nil
	case byFlags && (f.From == "" || f.To == "" || len(f.Locks)+len(f.Crates) == 0):
		return nil, usage("which crates, from where, to where?", "give --from, --to, and --lock or --crate")
	case byFlags:
		return []config.Redist{{Source: f.From, Registry: f.To, Locks: f.Locks, Crates: f.Crates}}, nil
	case len(cfg.Redist) == 0 && len(names) == 0:
		return nil, usage("there is nothing to redistribute", "give --from, --to and --lock, or describe it as [[redist]] in "+config.File)
	case len(names) == 0:
		return cfg.Redist, nil
	}
	var out []config.Redist
	for _, name := range names {
		i := slices.IndexFunc(cfg.Redist, func(r config.Redist) bool { return r.Name == name })
		if i < 0 {
			return nil, unnamed(cfg, name)
		}
		out = append(out, cfg.Redist[i])
	}
	return out, nil
}

// unnamed says which [[redist]] there are, or how one is written.
func unnamed(cfg config.Config, name string) error {
	p := &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("no [[redist]] of %s is called %q", config.File, name)}
	var known []string
	for _, r := range cfg.Redist {
		known = append(known, r.Name)
	}
	if len(known) > 0 {
		p.Hint = "there are: " + strings.Join(known, ", ")
		return p
	}
	p.Detail = fmt.Sprintf("there is none; one looks like this:\n[[redist]]\nname = %q\nsource = \"crates-io\"\nregistry = \"my-feed\"\nlocks = [\"Cargo.lock\"]", name)
	p.Hint = "write one with the registry's name in [registries], or say by --from, --to and --lock or --crate what to move"
	return p
}

// fromRegistry does one piece of work; the report is nil where there was no world to work on.
func (d *Depot) fromRegistry(ctx context.Context, job config.Redist, f Flags) (*redist.Report, error) {
	scratch, err := disk.Scratch(d.Env["RUNNER_TEMP"])
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	w := mirror.World{Scratch: scratch, Rules: d.Config.ThirdParty, MaxWait: d.Config.Pace.MaxWait.Std(), TokenVariable: d.TokenFrom(job.Registry)}
	w.Deny = deny.Asker{Path: d.Env["PATH"], Dir: d.Dir, Scratch: scratch, Package: d.Config.Package}.Ask
	w.CratesIO = job.Source == config.CratesIO || d.Config.Registries[job.Source].Mirror
	if w.Source, err = d.client(job.Source, nil); err != nil {
		return nil, err
	}
	of := w.Source.Registry().Index
	if w.CratesIO {
		of = ""
	}
	if w.Target, err = d.client(job.Registry, func(r *registry.Registry) { r.Mirror, r.MirrorOf = true, of }); err != nil {
		return nil, err
	}
	req := mirror.Request{Name: job.Name, Crates: job.Crates, DryRun: f.Dry}
	for _, name := range job.Locks {
		text, err := d.readLock(name)
		if err != nil {
			return nil, err
		}
		req.Locks = append(req.Locks, mirror.Lock{Name: name, Text: text})
	}
	o := mirror.Options{Parallel: f.Parallel, Attempts: d.Config.Pace.Attempts, Planned: func(s redist.Snapshot, plan redist.Plan) func(converge.Event) {
		d.Say("%s -> %s: %s", s.Source.Name, s.Target.Name, s.Summary())
		return d.Draw(s.Source.Name+" -> "+s.Target.Name, plan.Plan)
	}}
	if f.Deadline > 0 {
		o.Deadline = time.Now().Add(f.Deadline)
	}
	r, err := mirror.Move(ctx, w, req, o)
	if problem.ExitCode(err) == problem.ExitUsage {
		return nil, err
	}
	return r, err
}

// tell keeps one issue for each piece of work that says what upstream has published itself; it is closed when there is
// nothing to say, and left alone where nobody could be asked.
func tell(ctx context.Context, hub notice.Tracker, name string, r *redist.Report) {
	if len(r.Redist) != 1 || r.Redist[0].Watched == "" {
		return
	}
	title, body := redist.Notice(name, r.Redist[0])
	kept, err := notice.Kept{}, error(nil)
	if body == "" {
		kept, err = notice.Close(ctx, hub, "redist-"+name, "Upstream has none of these crates in a newer version any more.")
	} else {
		kept, err = notice.Issue(ctx, hub, "redist-"+name, title, body)
	}
	if err != nil {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the issue about what upstream has published could not be kept current, for which the job needs issues: write: %v", err))
		return
	}
	r.Notice = &release.ReportNotice{Did: kept.Did, URL: kept.URL}
}

func (d *Depot) readLock(name string) ([]byte, error) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.Dir, path)
	}
	text, err := os.ReadFile(path)
	if err == nil && len(text) > lockfile.MaxSize {
		err = fmt.Errorf("it has %d bytes, more than %d", len(text), lockfile.MaxSize)
	}
	if err != nil {
		return nil, &problem.Error{Kind: problem.Usage, Summary: "the lock file cannot be read", Err: err, File: name, Hint: "--lock names a Cargo.lock, or the folder is another one: see -C"}
	}
	return text, nil
}

// client returns the client of a registry that tagboat.toml, cargo's configuration in the folder, or cargo's
// variable for its index names. change, which may be nil, has the last word.
func (d *Depot) client(name string, change func(*registry.Registry)) (*registry.Client, error) {
	index := d.Config.Registries[name].Index
	if index == "" {
		index = d.Indexes[name]
	}
	if index == "" {
		index = d.Env[d.IndexVariable(name)]
	}
	if index == "" {
		return nil, &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("registry %q is not known", name),
			Hint: fmt.Sprintf("say where its index is: [registries.%s] in %s or .cargo/config.toml, or %s", name, config.File, d.IndexVariable(name))}
	}
	client, err := observe.Clients(func(name, index string) (registry.Registry, registry.Options, error) {
		r, o, err := d.Open(name, index)
		if change != nil && err == nil {
			change(&r)
		}
		return r, o, err
	})(name, index)
	if err != nil {
		return nil, &problem.Error{Kind: problem.Usage, Summary: fmt.Sprintf("registry %s cannot be used", name), Err: err}
	}
	return client, nil
}

// fromGit does one piece of work that comes from a git repository; the report is nil where there was no world to work
// on.
func (d *Depot) fromGit(ctx context.Context, job config.Redist, f Flags) (*redist.Report, error) {
	scratch, err := disk.Scratch(d.Env["RUNNER_TEMP"])
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	client, err := d.client(job.Registry, nil)
	if err != nil {
		return nil, err
	}
	w := observe.World{Scratch: scratch, Poll: 15 * time.Second, Keys: d.Keys(), Registry: func(string, string) (*registry.Client, error) { return client, nil }}
	if w.Forge, err = d.Hub(ctx); err != nil {
		return nil, err
	}
	w.TokenFrom = d.TokenFrom
	src := &repack.Source{Order: repack.Order{Job: job, Rules: d.Config.ThirdParty}, Config: d.Config, Scratch: scratch, Now: time.Now()}
	defer d.open(src, client)()
	if name := cmp.Or(job.Watch, config.CratesIO); name != "none" && name != job.Registry {
		if src.Watch, err = d.client(name, nil); err != nil {
			return nil, err
		}
	}
	o := ship.Options{Planned: func(s release.Snapshot, plan release.Plan) func(converge.Event) {
		return d.Draw(repack.Name(job)+" -> "+job.Registry, plan.Plan)
	}}
	if f.Deadline > 0 {
		o.Deadline = time.Now().Add(f.Deadline)
	}
	r, err := repack.Publish(ctx, w, src, o, f.Dry)
	if problem.ExitCode(err) == problem.ExitUsage {
		return nil, err
	}
	if f.Issue {
		var hub notice.Tracker = w.Forge
		if f.Dry {
			hub = notice.DryRun(hub)
		}
		tell(ctx, hub, repack.Name(job), r)
	}
	return r, err
}

// open lets a source package crates for a registry, and returns what ends that.
func (d *Depot) open(src *repack.Source, client *registry.Client) (end func()) {
	src.Order.Index = client.Registry().Index
	var url string
	shut := func() {}
	src.Gate = func(name, _ string) (_ string, err error) {
		if url == "" && d.HasToken(name) {
			url, shut, err = gate.Open(client)
		}
		return url, err
	}
	return func() {
		src.Close()
		shut()
	}
}
