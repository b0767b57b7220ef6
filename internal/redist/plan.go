package redist

import (
	"fmt"
	"slices"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/release"
)

// Kinds of step beside publish and confirm, which are a release's.
const (
	KindFetch = "fetch" // one .crate from the source, its checksum compared
	KindJudge = "judge" // what the .crate files say against the rules
	KindYank  = "yank"  // yanked in the source, so in the target
)

// Plan is the way to what is wanted, and what the rules found.
type Plan struct {
	converge.Plan
	Findings []Finding
}

// MakePlan returns the plan of a snapshot. It is pure. Only what the target lacks moves:
//
//	fetch    each .crate, its checksum compared with lock file and index
//	judge    licences, where the rules ask for them; needs every fetch
//	publish  the same bytes, dependencies first
//	confirm  the target's index shows the checksum
//	yank     what is yanked in the source
func MakePlan(s Snapshot) Plan {
	p := Plan{Findings: Judge(s)}
	b := planner{snapshot: s, moving: map[string]bool{}}
	var order []Crate
	for _, c := range sorted(s.Crates) {
		if c.Missing() {
			b.moving[c.Key()] = true
			order = append(order, c)
		}
	}
	for _, c := range order {
		b.add(converge.Step{Key: b.fetch(c.Key()), Kind: KindFetch, Lane: release.RegistryLane(s.Source.Name), Args: args(c), Reason: "missing in " + s.Target.Name})
	}
	if s.ContentRules() && len(order) > 0 {
		b.judge(order)
	}
	if !s.DryRun {
		b.move(order)
	}
	p.Steps = b.steps
	return p
}

type planner struct {
	snapshot Snapshot
	moving   map[string]bool
	gate     []string // what every upload waits for
	steps    []converge.Step
}

func (b *planner) add(s converge.Step) string {
	b.steps = append(b.steps, s)
	return s.Key
}

func (b *planner) fetch(key string) string {
	return KindFetch + "/" + b.snapshot.Source.Name + "/" + key
}

func (b *planner) target(kind, key string) string {
	return kind + "/" + b.snapshot.Target.Name + "/" + key
}

func args(c Crate) map[string]string { return map[string]string{"crate": c.Key()} }

func (b *planner) judge(order []Crate) {
	var needs []string
	for _, c := range order {
		needs = append(needs, b.fetch(c.Key()))
	}
	b.gate = []string{b.add(converge.Step{Key: KindJudge + "/" + b.snapshot.Target.Name, Kind: KindJudge, Needs: needs, Reason: "the rules for licences, before anything moves"})}
}

// move adds what changes the target.
func (b *planner) move(order []Crate) {
	for _, c := range order {
		needs := append([]string{b.fetch(c.Key())}, b.gate...)
		kind := release.KindPublish
		if b.snapshot.Target.AwaitAll {
			kind = release.KindConfirm
		}
		for _, need := range c.Needs {
			if b.moving[need] {
				needs = append(needs, b.target(kind, need))
			}
		}
		reason := "sha256 " + c.want()[:min(12, len(c.want()))]
		publish := b.add(converge.Step{Key: b.target(release.KindPublish, c.Key()), Kind: release.KindPublish, Needs: needs, Lane: release.RegistryLane(b.snapshot.Target.Name), Args: args(c), Reason: reason})
		b.add(converge.Step{Key: b.target(release.KindConfirm, c.Key()), Kind: release.KindConfirm, Needs: []string{publish}, Args: args(c), Reason: "the index shows the same checksum"})
	}
	for _, c := range b.snapshot.Crates {
		if !c.Yanked || !c.Missing() && c.ThereYanked {
			continue
		}
		step := converge.Step{Key: b.target(KindYank, c.Key()), Kind: KindYank, Lane: release.RegistryLane(b.snapshot.Target.Name), Args: args(c), Reason: "yanked in " + b.snapshot.Source.Name}
		if c.Missing() {
			step.Needs = []string{b.target(release.KindConfirm, c.Key())}
		}
		b.add(step)
	}
}

// sorted returns the crates so that each comes after those that it needs. Several lock files, or features that no lock
// file switches on, may make a ring of needs; it is opened at its first crate, whose own need is then given up.
func sorted(crates []Crate) []Crate {
	at := map[string]int{}
	for i, c := range crates {
		at[c.Key()] = i
	}
	const (
		fresh = iota
		open
		closed
	)
	state := make([]int, len(crates))
	var out []Crate
	var visit func(i int)
	visit = func(i int) {
		state[i] = open
		c := crates[i]
		c.Needs = nil
		for _, need := range crates[i].Needs {
			j, ok := at[need]
			if !ok || state[j] == open {
				continue
			}
			if state[j] == fresh {
				visit(j)
			}
			if !slices.Contains(c.Needs, need) {
				c.Needs = append(c.Needs, need)
			}
		}
		state[i] = closed
		out = append(out, c)
	}
	for i := range crates {
		if state[i] == fresh {
			visit(i)
		}
	}
	return out
}

// Summary says in a sentence what a plan does.
func (s Snapshot) Summary() string {
	missing := 0
	for _, c := range s.Crates {
		if c.Missing() {
			missing++
		}
	}
	return fmt.Sprintf("%s wanted: %d to move, %d there", release.CrateCount(len(s.Crates)), missing, len(s.Crates)-missing)
}
