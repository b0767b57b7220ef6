// Package scene decides from a seed what a stormy release is like: its workspace, how its services behave, what people do,
// and what goes wrong when.
package scene

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/release"
)

// Scene is what a seed decides beforehand: the world, and what goes wrong in it. What depends on how far a release has
// come is decided by Dice when it happens.
type Scene struct {
	Seed uint64

	Feed      []string // crates that go to a second registry too, which wants a token and is awaited; nil: there is none
	FeedBytes bool     // the second registry needs bytes of its own
	Annotated bool     // the tag is an annotated one
	Workflow  bool     // the repository has a release workflow
	Trusted   bool     // runs have an identity that crates.io knows: crates that exist go without a limit
	UserKey   bool     // the ship zone has a key of its own for bills
	Artifacts []string // globs
	Restless  bool     // each machine builds other artifacts

	Immutable   bool
	ForgetsTags bool
	OldServer   bool
	DraftLag    time.Duration
	StartDelay  time.Duration
	PerHour     int
	PerMinute   int
	Lag         time.Duration
	Limits      bool // crates.io holds its limits against us

	Published int           // so many crates are on crates.io already, with our bytes
	Foreign   string        // this crate is there with somebody's bytes
	BranchAt  string        // "", "there", "elsewhere"
	Rotated   int           // from this process on the token of crates.io is another one; 0: never
	Drift     int           // from this process on packaging gives other bytes; 0: never
	Deadline  time.Duration // of each process; 0: none
	Meddling  []Meddling
	Pardon    bool // after a stop a person does what the hint says and runs again

	Stormy   int // the first so many processes meet faults
	Restarts int // percent of processes that die by themselves at some time
	Late     int // percent of the requests on the wire at a death that arrive all the same
	Faults   []fault.Spec
	Mishaps  []Mishap
	Breaks   []string // uploads that break off at the service
}

// Mishap happens to the n-th request of a release.
type Mishap struct {
	Call int
	Kind string
}

// The kinds of mishap. All leave the connection cut.
const (
	TornAnswer  = "half of the answer arrives"
	TornRequest = "half of the request arrives"
	TornDeath   = "half of the request arrives and the process dies"
)

// Of decides everything from the seed.
func Of(seed uint64) *Scene {
	rng := rand.New(rand.NewPCG(seed, 0x5707a1))
	s := &Scene{Seed: seed}
	percent := func(n int) bool { return rng.IntN(100) < n }
	if percent(35) {
		s.Feed, s.FeedBytes = feedCrates(rng), percent(40)
	}
	s.Annotated, s.Workflow, s.Trusted, s.UserKey = percent(70), percent(30), percent(40), percent(30)
	if percent(35) {
		s.Artifacts, s.Restless = []string{"dist/*"}, percent(30)
	}
	s.Immutable, s.ForgetsTags, s.OldServer = percent(25), percent(25), percent(20)
	s.setServices(rng)
	s.setTrouble(rng)
	s.setFaults(rng)
	return s
}

// feedCrates chooses crates for the second registry, with all they need.
func feedCrates(rng *rand.Rand) []string {
	if rng.IntN(2) == 0 {
		return Names()
	}
	var out []string
	for _, c := range slices.Backward(workspace) {
		needed := slices.ContainsFunc(workspace, func(d Member) bool {
			return slices.Contains(out, d.Name) && slices.Contains(d.Needs, c.Name)
		})
		if needed || rng.IntN(4) == 0 {
			out = append(out, c.Name)
		}
	}
	if out == nil {
		out = []string{"hyperlight-libc"}
	}
	return out
}

func (s *Scene) setServices(rng *rand.Rand) {
	percent := func(n int) bool { return rng.IntN(100) < n }
	seconds := func(n int) time.Duration { return time.Duration(rng.IntN(n*1000)) * time.Millisecond }
	if percent(25) {
		s.DraftLag = seconds([]int{20, 200}[rng.IntN(2)]) // the longer one outlasts packaging
	}
	if percent(30) {
		s.StartDelay = seconds(200)
	}
	if percent(50) {
		s.Lag = seconds(120)
	}
	s.Limits = !s.Trusted && percent(60)
	if percent(5) {
		s.PerHour = 80 + rng.IntN(200)
	}
	if percent(10) {
		s.PerMinute = 8 + rng.IntN(40)
	}
	if percent(20) {
		s.Deadline = 5*time.Minute + seconds(3*3600)
	}
}

// setTrouble decides what people do.
func (s *Scene) setTrouble(rng *rand.Rand) {
	percent := func(n int) bool { return rng.IntN(100) < n }
	switch n := rng.IntN(100); {
	case n < 8:
		s.Published = 1 + rng.IntN(len(workspace))
	case n < 10:
		s.Foreign = Names()[rng.IntN(len(workspace))]
	}
	switch n := rng.IntN(100); {
	case n < 10:
		s.BranchAt = "there"
	case n < 11:
		s.BranchAt = "elsewhere"
	}
	if percent(6) {
		s.Rotated = 2 + rng.IntN(3)
	}
	if percent(5) {
		s.Drift = 2 + rng.IntN(3)
	}
	for percent(14) {
		m := randomMeddling(rng)
		s.Meddling = append(s.Meddling, m)
		if m.Act.Forges() && percent(60) {
			// What a forger waits for is a run that broke off before it had published anything.
			s.Faults = append(s.Faults, fault.Spec{Step: release.KindLedger, Action: fault.DieAfter})
		}
	}
	s.Pardon = percent(60)
}

// maxDelay is the longest delay of all calls of an operation, well below the deadline of any.
const maxDelay = 20 * time.Second

func (s *Scene) setFaults(rng *rand.Rand) {
	count := 0
	switch n := rng.IntN(10); {
	case n == 0:
	case n < 6:
		count = 1 + rng.IntN(3)
	case n < 9:
		count = 4 + rng.IntN(7)
	default:
		count = 11 + rng.IntN(15)
	}
	s.Stormy, s.Restarts, s.Late = 1+rng.IntN(8), rng.IntN(30), rng.IntN(60)
	for range count {
		switch n := rng.IntN(20); {
		case n < 11:
			for _, f := range fault.Random(rng, s.shape(1+rng.IntN(8))) {
				if f.Action == fault.Delay && f.Call == 0 {
					f.Duration = min(f.Duration, maxDelay) // that is every call, side by side: all would run into their deadlines at one instant
				}
				s.Faults = append(s.Faults, f)
			}
		case n < 16:
			action := fault.Die
			if rng.IntN(3) > 0 {
				action = fault.DieAfter
			}
			s.Faults = append(s.Faults, fault.Spec{Call: 1 + rng.IntN(160), Action: action})
		case n < 19:
			kinds := []string{TornAnswer, TornRequest, TornDeath}
			s.Mishaps = append(s.Mishaps, Mishap{1 + rng.IntN(160), kinds[rng.IntN(len(kinds))]})
		case rng.IntN(2) == 0:
			s.Breaks = append(s.Breaks, AssetOf(Names()[rng.IntN(len(workspace))]))
		default:
			steps := s.steps()
			s.Faults = append(s.Faults, fault.Spec{Step: steps[rng.IntN(len(steps))], Action: fault.DiskFull})
		}
	}
}

// shape is what random faults are made of here: what a release really asks of its services. A fault that lies on the
// n-th matching call has n up to calls.
func (s *Scene) shape(calls int) fault.Shape {
	ops := []string{"config", "index", "publish"}
	cratesIO := append(slices.Clone(ops), "search")
	var github []string
	if s.Trusted {
		cratesIO, github = append(cratesIO, "exchange", "revoke"), []string{"id-token"}
	}
	shape := fault.Shape{Crates: Names(), Steps: s.steps(), Faults: 1, Calls: calls, Services: []fault.Service{
		{Name: fault.GitHub, Operations: append(github, "get-repo", "get-ref", "get-tag", "list-refs", "compare", "issues", "create-ref", "list-releases", "create-release",
			"generate-notes", "upload-asset", "list-assets", "get-asset", "download-asset", "rename-asset", "delete-asset", "update-release", "dispatch", "list-runs", "get-run")},
		{Name: registry.CratesIO, Operations: cratesIO},
	}}
	if s.Feed != nil {
		shape.Services = append(shape.Services, fault.Service{Name: FeedName, Operations: ops})
	}
	return shape
}

// steps are keys around which a process may die: of kinds with one step the kind, of the others whole keys, so that it
// does not depend on the scheduler which of several steps comes first.
func (s *Scene) steps() []string {
	out := []string{release.KindAsset + "/" + release.SumsName}
	for range 3 { // there are many crates, and the bridges between them and the release are these
		out = append(out, release.KindBranch, release.KindDispatch, release.KindPackage, release.KindCompare, release.KindDraft, release.KindLedger, release.KindSeal, release.KindRelease)
	}
	if s.Trusted {
		out = append(out, release.KindLogin, release.KindLogin)
	}
	for _, c := range workspace {
		out = append(out, release.KindAsset+"/"+AssetOf(c.Name))
		for _, r := range s.Homes(c.Name) {
			what := r + "/" + c.Name + "@" + Version
			out = append(out, release.KindPublish+"/"+what, release.KindConfirm+"/"+what)
		}
	}
	return out
}

// Homes are the registries that a crate goes to.
func (s *Scene) Homes(crate string) []string {
	if slices.Contains(s.Feed, crate) {
		return []string{registry.CratesIO, FeedName}
	}
	return []string{registry.CratesIO}
}

// Fresh reports whether crates.io has never seen a crate when the release begins. Where runs have an identity, most crates
// exist: they are what it is good for.
func (s *Scene) Fresh(crate string) bool { return !s.Trusted || s.Dice(8, "fresh", crate) == 0 }

// Registries are the names of the scene's registries.
func (s *Scene) Registries() []string {
	if s.Feed == nil {
		return []string{registry.CratesIO}
	}
	return []string{registry.CratesIO, FeedName}
}

// MayStop reports whether a person did something that Tagboat may, or must, refuse to go on with.
func (s *Scene) MayStop() bool {
	return s.MustStop() || s.Drift > 0 || slices.ContainsFunc(s.Meddling, func(m Meddling) bool { return m.refusable(s.Workflow) })
}

// MustStop reports whether no release may come out of this.
func (s *Scene) MustStop() bool { return s.Foreign != "" || s.BranchAt == "elsewhere" }

// String is the scene in a few lines, for the head of a trace.
func (s *Scene) String() string {
	var words []string
	say := func(on bool, format string, args ...any) {
		if on {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	say(s.Feed != nil, "%d crates go to a second registry", len(s.Feed))
	say(s.Feed != nil && s.FeedBytes, "with bytes of their own")
	say(s.Trusted, "trusted publishing")
	say(s.Workflow, "release workflow, started after %s", s.StartDelay)
	say(s.Workflow && s.OldServer, "dispatches name no run")
	say(s.Artifacts != nil, "artifacts")
	say(s.Restless, "other artifacts on each machine")
	say(s.Immutable, "immutable releases")
	say(s.ForgetsTags, "drafts forget tags")
	say(s.DraftLag > 0, "drafts are listed after %s", s.DraftLag)
	say(s.Lag > 0, "indexes lag %s", s.Lag)
	say(s.Limits, "crates.io limits uploads")
	say(s.PerHour > 0, "%d requests an hour", s.PerHour)
	say(s.PerMinute > 0, "%d writes a minute", s.PerMinute)
	say(s.Published > 0, "%d crates are published", s.Published)
	say(s.Foreign != "", "somebody published %s", s.Foreign)
	say(s.BranchAt != "", "the release branch is %s", s.BranchAt)
	say(s.Rotated > 0, "another token from run %d on", s.Rotated)
	say(s.Drift > 0, "another toolchain from run %d on", s.Drift)
	say(s.Deadline > 0, "runs end after %s", s.Deadline)
	say(true, "%d runs in the storm", s.Stormy)
	out := fmt.Sprintf("seed %d: %s\n", s.Seed, strings.Join(words, ", "))
	for _, f := range s.Faults {
		out += "  fault    " + f.String() + "\n"
	}
	for _, m := range s.Mishaps {
		out += fmt.Sprintf("  mishap   request %d: %s\n", m.Call, m.Kind)
	}
	for _, b := range s.Breaks {
		out += "  mishap   the upload of " + b + " breaks off\n"
	}
	for _, m := range s.Meddling {
		out += "  stranger " + m.String() + "\n"
	}
	return out
}

// Dice is a number below n that depends on the seed and on what is asked alone, and not on who asks first.
func (s *Scene) Dice(n int, what ...any) int {
	h := fnv.New64a()
	fmt.Fprint(h, s.Seed)
	for _, w := range what {
		fmt.Fprint(h, "\x00", w)
	}
	return int(Mix(h.Sum64()) % uint64(n))
}

// Mix spreads the bits of a hash (the finalizer of SplitMix64).
func Mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
