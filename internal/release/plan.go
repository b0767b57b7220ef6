package release

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/converge"
)

// Kinds of step, in the order in which a release goes through them.
const (
	KindCheck    = "check"    // a rule, judged when the plan was made
	KindBranch   = "branch"   // the release branch at the commit
	KindDispatch = "dispatch" // the release workflow, started and followed to its end
	KindPackage  = "package"  // every crate packaged and verified in the build zone
	KindCompare  = "compare"  // packaged bytes against the indexes and the draft
	KindDraft    = "draft"    // the draft release
	KindAsset    = "asset"    // one file of the draft
	KindLedger   = "ledger"   // the bill of lading among the draft's assets
	KindLogin    = "login"    // a registry gives the credential that the run makes for itself
	KindPublish  = "publish"  // one crate uploaded to one registry
	KindConfirm  = "confirm"  // one crate visible in one index with our checksum
	KindSeal     = "seal"     // the bill with the confirmations
	KindRelease  = "release"  // the draft made public
	KindRollTag  = "roll"     // the tag of the rolling pre-release at the built commit
	KindPrune    = "prune"    // what earlier rolling builds left
)

// SumsName is the asset that lists the SHA-256 of all others, in the format of sha256sum.
const SumsName = "SHA256SUMS"

// Lane names. Registries have a lane each, named "registry:NAME".
const (
	LaneForge  = "forge"  // requests that change something on the forge
	LaneUpload = "upload" // assets
)

// RegistryLane returns the lane of a registry's uploads.
func RegistryLane(name string) string { return "registry:" + name }

// TrustedLane returns the lane of those uploads that go by trusted publishing: the limit that a token meets is none of
// theirs.
func TrustedLane(name string) string { return RegistryLane(name) + ":trusted" }

// Plan is the way from a snapshot to the release, and what the rules found.
type Plan struct {
	converge.Plan
	Findings []Finding `json:"findings,omitempty"`
	Half     Half      `json:"half"` // which part is really gone, after looking whether there is a workflow to dispatch
}

// MakePlan returns the plan of a snapshot. It is pure: the same snapshot gives the same plan.
//
// The order of a release, on one page:
//
//	check     every rule
//	branch    release/vX.Y.Z at the commit
//	dispatch  the release workflow on that branch, which does the rest        } where there is one
//	package   all crates, verified, without secrets                           } else
//	compare   our bytes against every index and against what the draft holds
//	draft     the draft release with its notes
//	asset     .crate files, artifacts, SHA256SUMS
//	ledger    bill.json: from here on a resume packages nothing
//	login     the credential that uploads need, where it is made for this run
//	publish   each crate to each registry, dependencies first
//	confirm   each version in the index with our checksum
//	seal      bill.json with the confirmations
//	release   public
func MakePlan(s Snapshot) Plan {
	b := planner{snapshot: s, half: s.Request.Half}
	if b.half == First && !s.Dispatches() {
		b.half = Both
	}
	findings := Judge(s)
	b.checks(findings)
	if b.half != Second {
		b.add(converge.Step{Key: key(KindBranch, s.Remote.BranchName), Needs: b.gate, Lane: LaneForge, Reason: b.branchReason()})
	}
	if b.half == First {
		b.add(converge.Step{Key: key(KindDispatch, s.Checkout.Workflow.File+"@"+s.Remote.BranchName), Needs: []string{key(KindBranch, s.Remote.BranchName)},
			Reason: "the repository's release workflow does the rest"})
		return Plan{Plan: converge.Plan{Steps: b.steps}, Findings: findings, Half: b.half}
	}
	b.pack()
	b.draft()
	b.registries()
	return Plan{Plan: converge.Plan{Steps: b.steps}, Findings: findings, Half: b.half}
}

// Checks returns the plan without what comes after the rules.
func (p Plan) Checks() Plan {
	p.Steps = slices.DeleteFunc(slices.Clone(p.Steps), func(s converge.Step) bool { return s.Kind != KindCheck })
	return p
}

// Dispatches reports whether the run ends by starting the repository's release workflow, which does the rest.
func (s Snapshot) Dispatches() bool {
	return s.Request.Half == First && s.Checkout.Workflow.File != "" && s.Checkout.Workflow.Dispatch
}

func key(kind, what string) string { return kind + "/" + what }

type planner struct {
	snapshot Snapshot
	half     Half
	steps    []converge.Step
	gate     []string // the checks, which everything needs
	ledger   string   // key of the step that makes resuming possible
}

func (b *planner) add(s converge.Step) string {
	s.Kind, _, _ = strings.Cut(s.Key, "/")
	b.steps = append(b.steps, s)
	return s.Key
}

// checks adds one step for each rule that applies. Their outcome is known already; as steps they stand in the plan,
// the report and the progress like everything else that must hold.
func (b *planner) checks(findings []Finding) {
	worst := map[string]Finding{}
	for _, f := range findings {
		if w, ok := worst[f.Rule]; !ok || w.Severity == Warn && f.Severity == Stop {
			worst[f.Rule] = f
		}
	}
	for _, rule := range ruleOrder(b.snapshot) {
		step := converge.Step{Key: key(KindCheck, rule), Reason: "holds"}
		if f, ok := worst[rule]; ok {
			step.Reason = f.Summary
			step.Args = map[string]string{"severity": string(f.Severity)}
			if f.Relaxed != "" {
				step.Args["relaxed"] = f.Relaxed
			}
		}
		b.gate = append(b.gate, b.add(step))
	}
}

func (b *planner) branchReason() string {
	r := b.snapshot.Remote
	if r.BranchCommit == b.snapshot.Checkout.Commit && r.BranchCommit != "" {
		return "is there, at the tag's commit"
	}
	return "is made at " + Short(b.snapshot.Checkout.Commit)
}

func (b *planner) pack() {
	needs := b.gate
	if b.half == Both {
		needs = []string{key(KindBranch, b.snapshot.Remote.BranchName)}
	}
	s := converge.Step{Key: key(KindPackage, b.snapshot.Checkout.Tag.Name), Needs: needs,
		Reason: fmt.Sprintf("%s from a clean clone of %s, verified without network and secrets", CrateCount(len(b.snapshot.Checkout.Crates)), Short(b.snapshot.Checkout.Commit))}
	if b.snapshot.Checkout.Handed {
		s.Reason = fmt.Sprintf("%s that another job packaged, held against the files of %s", CrateCount(len(b.snapshot.Checkout.Crates)), Short(b.snapshot.Checkout.Commit))
	}
	if b.snapshot.Remote.Ledger.Complete() {
		s.Reason = "the draft holds every crate and its bill is authentic: nothing is packaged again"
	}
	b.add(s)
	b.add(converge.Step{Key: key(KindCompare, b.snapshot.Checkout.Tag.Name), Needs: []string{s.Key}, Reason: "our bytes against every index and against the draft"})
}

func (b *planner) draft() {
	tag := b.snapshot.Checkout.Tag.Name
	draft := b.add(converge.Step{Key: key(KindDraft, tag), Needs: []string{key(KindCompare, tag)}, Lane: LaneForge, Reason: b.draftReason()})
	needs := []string{draft}
	asset := func(name, what, reason string) {
		needs = append(needs, b.add(converge.Step{Key: key(KindAsset, name), Needs: []string{draft}, Lane: LaneUpload, Reason: reason, Args: map[string]string{"source": what}}))
	}
	for _, a := range b.crateAssets() {
		asset(a, "crate", "the bytes that are published, so that a later run need not package")
	}
	for _, name := range b.artifactAssets() {
		asset(name, "artifact", "artifact")
	}
	asset(SumsName, "sums", "checksums of all files")
	b.ledger = b.add(converge.Step{Key: key(KindLedger, tag), Needs: needs, Lane: LaneUpload, Reason: "the bill of lading: from here on a resume packages nothing"})
}

func (b *planner) draftReason() string {
	for _, r := range b.snapshot.Remote.Releases {
		if !r.Draft {
			return "the release is public already"
		}
		return "the draft is there"
	}
	return "is made"
}

// crateAssets names the .crate files. Which of a crate's registries need bytes of their own is known only after
// packaging, so crates that go to several have one asset each; equal ones are stored once.
func (b *planner) crateAssets() []string {
	var out []string
	for _, c := range b.snapshot.Checkout.Crates {
		for i := range c.Registries {
			out = append(out, CrateAsset(c.Name, c.Version, c.Registries, i))
		}
	}
	return out
}

// CrateAsset names the .crate file of a crate for its i-th registry. The forge renames special characters, so a "+"
// cannot stand in it; build metadata does not tell versions apart anyway.
func CrateAsset(name, version string, registries []string, i int) string {
	base := name + "-" + strings.ReplaceAll(version, "+", ".")
	if i == 0 {
		return base + ".crate"
	}
	return base + "." + registries[i] + ".crate"
}

func (b *planner) artifactAssets() []string {
	var out []string
	if l := b.snapshot.Remote.Ledger; l.Complete() {
		for _, a := range l.Bill.Artifacts {
			out = append(out, a.Name)
		}
		return out
	}
	for _, a := range b.snapshot.Artifacts {
		out = append(out, a.Name)
	}
	return out
}

func (b *planner) registries() {
	tag := b.snapshot.Checkout.Tag.Name
	var confirms []string
	logins := b.logins()
	for _, r := range b.snapshot.Registries {
		for _, c := range b.snapshot.Checkout.Crates {
			if !slices.Contains(c.Registries, r.Name) {
				continue
			}
			what := r.Name + "/" + c.Name + "@" + c.Version
			needs := append([]string{b.ledger}, logins...)
			for _, dep := range c.Needs {
				needs = append(needs, b.dependency(r, dep)...)
			}
			args := map[string]string{"registry": r.Name, "crate": c.Name, "version": c.Version}
			reason := "new version"
			switch state := r.Crates[c.Name]; {
			case state.Checksum != "":
				reason = "in the index already; the checksum decides"
			case !state.Exists:
				reason = "new crate there"
			}
			if r.Crates[c.Name].Checksum == "" {
				reason += r.Login.by(r.Lane(c.Name))
			}
			lane := RegistryLane(r.Name)
			if r.Lane(c.Name) == LoginTrusted {
				lane = TrustedLane(r.Name)
			}
			publish := b.add(converge.Step{Key: key(KindPublish, what), Needs: needs, Lane: lane, Args: args, Reason: reason})
			confirms = append(confirms, b.add(converge.Step{Key: key(KindConfirm, what), Needs: []string{publish}, Args: args, Reason: "the index shows it with our checksum"}))
		}
	}
	seal := b.add(converge.Step{Key: key(KindSeal, tag), Needs: append([]string{b.ledger}, confirms...), Lane: LaneUpload, Reason: "the bill with the time of each confirmation"})
	if b.snapshot.Config.Release.DraftOnly {
		return
	}
	b.add(converge.Step{Key: key(KindRelease, tag), Needs: []string{seal}, Lane: LaneForge, Reason: "everything is confirmed: the release becomes public"})
}

// logins adds a step for each registry that may refuse to give a run its credential: every upload waits for it, so that
// the refusal comes before any of them, and not in the midst of the release.
func (b *planner) logins() []string {
	var keys []string
	for _, r := range b.snapshot.Registries {
		wants := func(c Crate) bool {
			return slices.Contains(c.Registries, r.Name) && r.Crates[c.Name].Checksum == "" && r.Lane(c.Name) == LoginTrusted
		}
		if slices.ContainsFunc(b.snapshot.Checkout.Crates, wants) {
			keys = append(keys, b.add(converge.Step{Key: key(KindLogin, r.Name), Needs: []string{b.ledger}, Args: map[string]string{"registry": r.Name}, Reason: "a token of trusted publishing, made right before the first upload"}))
		}
	}
	return keys
}

// dependency returns the keys that an upload to r must wait for because of one of its crate's dependencies: the
// dependency's upload where order is enough, its confirmation where the registry may look for the version. A
// dependency that goes only to other registries is awaited there.
func (b *planner) dependency(r Registry, name string) []string {
	kind := KindPublish
	if r.AwaitAll {
		kind = KindConfirm
	}
	var keys []string
	for _, c := range b.snapshot.Checkout.Crates {
		if c.Name != name {
			continue
		}
		homes := c.Registries
		if slices.Contains(homes, r.Name) {
			homes = []string{r.Name}
		}
		for _, home := range homes {
			keys = append(keys, key(kind, home+"/"+c.Name+"@"+c.Version))
		}
	}
	return keys
}

// Short is a commit as people write it.
func Short(sha string) string { return sha[:min(len(sha), 10)] }

// ruleOrder lists the rules that this snapshot was judged by, in the order in which a release meets them.
func ruleOrder(s Snapshot) []string {
	needsForge := map[string]bool{"tag-moved": true, "development-branch": true, "release-branch": true, "blockers": true}
	foreign := map[string]bool{"toolchain": true, "isolation": true, "registry-access": true, "same-bytes": true, "rate-limit": true}
	needsRegistry := map[string]bool{"registry-access": true, "same-bytes": true, "rate-limit": true}
	var out []string
	for _, r := range config.Rules() {
		if needsForge[r.Name] && !s.Remote.Asked || needsRegistry[r.Name] && len(s.Registries) == 0 {
			continue
		}
		if s.Checkout.Upstream != nil && !foreign[r.Name] {
			continue // the others are about a repository's own releases
		}
		out = append(out, r.Name)
	}
	return out
}

// CrateCount is "1 crate", "2 crates".
func CrateCount(n int) string {
	if n == 1 {
		return "1 crate"
	}
	return fmt.Sprintf("%d crates", n)
}
