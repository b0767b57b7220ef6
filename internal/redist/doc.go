// Package redist brings crates of others to a registry that lacks them: the desired state is that the registry holds
// them, byte for byte as their source has them where that is a registry, or packaged from one revision of a git
// repository. Snapshot, rules, plan and report are pure; the folders below look at the world and change it.
package redist
