// Package gitea holds tests that release to a registry that nobody here wrote: a Gitea, built from its source and started
// on loopback. With the build tag e2e; the program is kept in the user's cache folder.
package gitea
