//go:build race

package storm

// raced says that the race detector watches, which makes everything slower by far.
const raced = true
