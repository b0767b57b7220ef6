package storm

import (
	"context"
	"flag"
	"testing"
)

// Main is Run outside of go test. It returns like any function; the process goes on.
//
// A virtual clock is to be had from testing/synctest alone, which wants a *testing.T, and that only package testing can
// make. So package testing runs one test here, whose function hands its T over and never returns: where it did, package
// testing would end the process.
func Main(ctx context.Context, o Options) (Result, error) {
	// Package testing reads its flags from the command line unless somebody has done so, and ends the process at one that
	// it does not know, such as --json in front of the command. It is told that there are none.
	testing.Init()
	if !flag.Parsed() {
		if err := flag.CommandLine.Parse(nil); err != nil {
			return Result{}, err
		}
	}
	handed := make(chan *testing.T)
	test := testing.InternalTest{Name: "Storm", F: func(t *testing.T) {
		handed <- t
		select {}
	}}
	all := func(string, string) (bool, error) { return true, nil }
	go testing.Main(all, []testing.InternalTest{test}, nil, nil)
	return Run(ctx, <-handed, o)
}
