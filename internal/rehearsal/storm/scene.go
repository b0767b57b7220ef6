package storm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/release"
)

// scene is what a seed decides beforehand: the world, and what goes wrong in it. What depends on how far a release has
// come is decided by the trial's dice when it happens.
type scene struct {
	seed uint64

	feed      []string // crates that go to a second registry too, which wants a token and is awaited; nil: there is none
	feedBytes bool     // the second registry needs bytes of its own
	annotated bool     // the tag is an annotated one
	workflow  bool     // the repository has a release workflow
	trusted   bool     // crates.io has no limits for us, as with trusted publishing
	userKey   bool     // the ship zone has a key of its own for bills
	artifacts []string // globs
	restless  bool     // each machine builds other artifacts

	immutable   bool
	forgetsTags bool
	oldServer   bool
	draftLag    time.Duration
	startDelay  time.Duration
	perHour     int
	perMinute   int
	lag         time.Duration
	limits      bool // crates.io holds its limits against us

	published int           // so many crates are on crates.io already, with our bytes
	foreign   string        // this crate is there with somebody's bytes
	branchAt  string        // "", "there", "elsewhere"
	rotated   int           // from this process on the token of crates.io is another one; 0: never
	drift     int           // from this process on packaging gives other bytes; 0: never
	deadline  time.Duration // of each process; 0: none
	meddling  []meddling
	pardon    bool // after a stop a person does what the hint says and runs again

	stormy   int // the first so many processes meet faults
	restarts int // percent of processes that die by themselves at some time
	late     int // percent of the requests on the wire at a death that arrive all the same
	faults   []fault.Spec
	mishaps  []mishap
	breaks   []string // uploads that break off at the service
}

// mishap happens to the n-th request of a release.
type mishap struct {
	call int
	kind string
}

// The kinds of mishap. All leave the connection cut.
const (
	tornAnswer  = "half of the answer arrives"
	tornRequest = "half of the request arrives"
	tornDeath   = "half of the request arrives and the process dies"
)

// setScene decides everything from the seed.
func setScene(seed uint64) *scene {
	rng := rand.New(rand.NewPCG(seed, 0x5707a1))
	s := &scene{seed: seed}
	percent := func(n int) bool { return rng.IntN(100) < n }
	if percent(35) {
		s.feed, s.feedBytes = feedCrates(rng), percent(40)
	}
	s.annotated, s.workflow, s.trusted, s.userKey = percent(70), percent(30), percent(40), percent(30)
	if percent(35) {
		s.artifacts, s.restless = []string{"dist/*"}, percent(30)
	}
	s.immutable, s.forgetsTags, s.oldServer = percent(25), percent(25), percent(20)
	s.setServices(rng)
	s.setTrouble(rng)
	s.setFaults(rng)
	return s
}

// feedCrates chooses crates for the second registry, with all they need.
func feedCrates(rng *rand.Rand) []string {
	if rng.IntN(2) == 0 {
		return names()
	}
	var out []string
	for _, c := range slices.Backward(workspace) {
		needed := slices.ContainsFunc(workspace, func(d struct {
			name  string
			needs []string
		}) bool {
			return slices.Contains(out, d.name) && slices.Contains(d.needs, c.name)
		})
		if needed || rng.IntN(4) == 0 {
			out = append(out, c.name)
		}
	}
	if out == nil {
		out = []string{"hyperlight-libc"}
	}
	return out
}

func names() []string {
	var out []string
	for _, c := range workspace {
		out = append(out, c.name)
	}
	return out
}

func (s *scene) setServices(rng *rand.Rand) {
	percent := func(n int) bool { return rng.IntN(100) < n }
	seconds := func(n int) time.Duration { return time.Duration(rng.IntN(n*1000)) * time.Millisecond }
	if percent(25) {
		s.draftLag = seconds(20)
	}
	if percent(30) {
		s.startDelay = seconds(200)
	}
	if percent(50) {
		s.lag = seconds(120)
	}
	s.limits = !s.trusted && percent(60)
	if percent(5) {
		s.perHour = 80 + rng.IntN(200)
	}
	if percent(10) {
		s.perMinute = 8 + rng.IntN(40)
	}
	if percent(20) {
		s.deadline = 5*time.Minute + seconds(3*3600)
	}
}

// setTrouble decides what people do.
func (s *scene) setTrouble(rng *rand.Rand) {
	percent := func(n int) bool { return rng.IntN(100) < n }
	switch n := rng.IntN(100); {
	case n < 8:
		s.published = 1 + rng.IntN(len(workspace))
	case n < 10:
		s.foreign = names()[rng.IntN(len(workspace))]
	}
	switch n := rng.IntN(100); {
	case n < 10:
		s.branchAt = "there"
	case n < 11:
		s.branchAt = "elsewhere"
	}
	if percent(6) {
		s.rotated = 2 + rng.IntN(3)
	}
	if percent(5) {
		s.drift = 2 + rng.IntN(3)
	}
	for percent(14) {
		m := randomMeddling(rng)
		s.meddling = append(s.meddling, m)
		if m.act.forges() && percent(60) {
			// What a forger waits for is a run that broke off before it had published anything.
			s.faults = append(s.faults, fault.Spec{Step: release.KindLedger, Action: fault.DieAfter})
		}
	}
	s.pardon = percent(60)
}

// maxDelay is the longest delay of all calls of an operation, well below the deadline of any.
const maxDelay = 20 * time.Second

func (s *scene) setFaults(rng *rand.Rand) {
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
	s.stormy, s.restarts, s.late = 1+rng.IntN(8), rng.IntN(30), rng.IntN(60)
	for range count {
		switch n := rng.IntN(20); {
		case n < 11:
			for _, f := range fault.Random(rng, s.shape(1+rng.IntN(8))) {
				if f.Action == fault.Delay && f.Call == 0 {
					f.Duration = min(f.Duration, maxDelay) // that is every call, side by side: all would run into their deadlines at one instant
				}
				s.faults = append(s.faults, f)
			}
		case n < 16:
			action := fault.Die
			if rng.IntN(3) > 0 {
				action = fault.DieAfter
			}
			s.faults = append(s.faults, fault.Spec{Call: 1 + rng.IntN(160), Action: action})
		case n < 19:
			kinds := []string{tornAnswer, tornRequest, tornDeath}
			s.mishaps = append(s.mishaps, mishap{1 + rng.IntN(160), kinds[rng.IntN(len(kinds))]})
		case rng.IntN(2) == 0:
			s.breaks = append(s.breaks, assetOf(names()[rng.IntN(len(workspace))]))
		default:
			steps := s.steps()
			s.faults = append(s.faults, fault.Spec{Step: steps[rng.IntN(len(steps))], Action: fault.DiskFull})
		}
	}
}

func assetOf(crate string) string { return release.CrateAsset(crate, version, nil, 0) }

// shape is what random faults are made of here: what a release really asks of its services. A fault that lies on the
// n-th matching call has n up to calls.
func (s *scene) shape(calls int) fault.Shape {
	ops := []string{"config", "index", "publish"}
	shape := fault.Shape{Crates: names(), Steps: s.steps(), Faults: 1, Calls: calls, Services: []fault.Service{
		{Name: fault.GitHub, Operations: []string{"get-repo", "get-ref", "get-tag", "list-refs", "compare", "issues", "create-ref", "list-releases", "create-release",
			"generate-notes", "upload-asset", "list-assets", "get-asset", "download-asset", "rename-asset", "delete-asset", "update-release", "dispatch", "list-runs", "get-run"}},
		{Name: registry.CratesIO, Operations: append(ops, "search")},
	}}
	if s.feed != nil {
		shape.Services = append(shape.Services, fault.Service{Name: feedName, Operations: ops})
	}
	return shape
}

// steps are keys around which a process may die: of kinds with one step the kind, of the others whole keys, so that it
// does not depend on the scheduler which of several steps comes first.
func (s *scene) steps() []string {
	out := []string{release.KindBranch, release.KindDispatch, release.KindPackage, release.KindCompare, release.KindDraft, release.KindLedger, release.KindSeal, release.KindRelease,
		release.KindAsset + "/" + release.SumsName}
	for _, c := range workspace {
		out = append(out, release.KindAsset+"/"+assetOf(c.name))
		for _, r := range s.homes(c.name) {
			what := r + "/" + c.name + "@" + version
			out = append(out, release.KindPublish+"/"+what, release.KindConfirm+"/"+what)
		}
	}
	return out
}

// homes are the registries that a crate goes to.
func (s *scene) homes(crate string) []string {
	if slices.Contains(s.feed, crate) {
		return []string{registry.CratesIO, feedName}
	}
	return []string{registry.CratesIO}
}

// registries are the names of the scene's registries.
func (s *scene) registries() []string {
	if s.feed == nil {
		return []string{registry.CratesIO}
	}
	return []string{registry.CratesIO, feedName}
}

// mayStop reports whether a person did something that Tagboat may, or must, refuse to go on with.
func (s *scene) mayStop() bool {
	return s.mustStop() || s.drift > 0 || slices.ContainsFunc(s.meddling, meddling.refusable)
}

// mustStop reports whether no release may come out of this.
func (s *scene) mustStop() bool { return s.foreign != "" || s.branchAt == "elsewhere" }

// String is the scene in a few lines, for the head of a trace.
func (s *scene) String() string {
	var words []string
	say := func(on bool, format string, args ...any) {
		if on {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	say(s.feed != nil, "%d crates go to a second registry", len(s.feed))
	say(s.feed != nil && s.feedBytes, "with bytes of their own")
	say(s.workflow, "release workflow, started after %s", s.startDelay)
	say(s.workflow && s.oldServer, "dispatches name no run")
	say(s.artifacts != nil, "artifacts")
	say(s.restless, "other artifacts on each machine")
	say(s.immutable, "immutable releases")
	say(s.forgetsTags, "drafts forget tags")
	say(s.draftLag > 0, "drafts are listed after %s", s.draftLag)
	say(s.lag > 0, "indexes lag %s", s.lag)
	say(s.limits, "crates.io limits uploads")
	say(s.perHour > 0, "%d requests an hour", s.perHour)
	say(s.perMinute > 0, "%d writes a minute", s.perMinute)
	say(s.published > 0, "%d crates are published", s.published)
	say(s.foreign != "", "somebody published %s", s.foreign)
	say(s.branchAt != "", "the release branch is %s", s.branchAt)
	say(s.rotated > 0, "another token from run %d on", s.rotated)
	say(s.drift > 0, "another toolchain from run %d on", s.drift)
	say(s.deadline > 0, "runs end after %s", s.deadline)
	say(true, "%d runs in the storm", s.stormy)
	out := fmt.Sprintf("seed %d: %s\n", s.seed, strings.Join(words, ", "))
	for _, f := range s.faults {
		out += "  fault    " + f.String() + "\n"
	}
	for _, m := range s.mishaps {
		out += fmt.Sprintf("  mishap   request %d: %s\n", m.call, m.kind)
	}
	for _, b := range s.breaks {
		out += "  mishap   the upload of " + b + " breaks off\n"
	}
	for _, m := range s.meddling {
		out += "  stranger " + m.String() + "\n"
	}
	return out
}
