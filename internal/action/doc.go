// Package action is the edge to GitHub Actions: it reads the inputs and the event that started a workflow run, turns
// them into one command line of tagboat, runs it, and tells the runner what came of it: outputs, annotations, a job
// summary, a comment on a pull request.
//
// It decides nothing about releases. The command line that it chose is in the log, so that a person can give the same
// one, and what it tells comes from the one JSON document that --json prints.
package action
