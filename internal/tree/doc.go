// Package tree holds the repository to its own rules: which way imports point, how large things may grow, that documents
// name only what exists, and that what is generated is current. It has tests only.
package tree
