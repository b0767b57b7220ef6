package config

// Rule is a check that can stop a release.
type Rule struct {
	Name string
	// Says is what the rule asks for, in one sentence.
	Says string
	// Relaxable rules can be switched to a warning in [rules.NAME]. The others guard what cannot be taken back.
	Relaxable bool
}

// Rules lists every rule by name, in the order in which a release meets them.
func Rules() []Rule {
	return []Rule{
		{"tag-version", "The tag and the versions of the crates it releases are the same.", false},
		{"tag-moved", "The tag still points at the commit that this release was started with.", false},
		{"sibling-requirement", "Every requirement on a crate of the same workspace accepts the version being released.", true},
		{"development-branch", "A minor or major release is tagged on the development branch.", true},
		{"release-branch", "A patch release is tagged on a release branch, and the branch of a release is at its commit.", true},
		{"changelog", "The changelog has a section for the version.", true},
		{"blockers", "No open issue carries the blocker label.", true},
		{"lock-current", "Cargo.lock is committed and up to date.", true},
		{"manifest-lint", "The manifests hold what the registry asks for.", true},
		{"workflow-lint", "The release workflow can do what a release asks of it.", true},
		{"clean-commit", "What is packaged is a clean clone of the tagged commit, with no other file.", false},
		{"toolchain", "The Rust toolchain is one that packages correctly.", false},
		{"isolation", "The build zone is enclosed as package.isolation asks.", false},
		{"registry-access", "Every registry is reachable and its credential is accepted.", false},
		{"same-bytes", "A version that a registry has already has our bytes.", false},
		{"rate-limit", "How long the registry's limits will hold the release up is said before it starts.", false},
	}
}

func ruleNamed(name string) (Rule, bool) {
	for _, r := range Rules() {
		if r.Name == name {
			return r, true
		}
	}
	return Rule{}, false
}
