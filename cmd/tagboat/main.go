// Command tagboat takes a Rust repository from a tag push to published crates.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/tagboat/tagboat/internal/action"
	"github.com/tagboat/tagboat/internal/cargo/zone"
	"github.com/tagboat/tagboat/internal/cli"
)

func main() {
	zone.Main() // a child of the build zone does not come back from here
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal asks for an orderly end, a second one ends at once
	streams := cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	var code int
	if len(os.Args) == 2 && os.Args[1] == "action" { // the entry point of the container
		code = action.Main(ctx, os.Environ(), streams)
	} else {
		code = cli.Main(ctx, os.Args[1:], os.Environ(), streams)
	}
	stop()
	os.Exit(code)
}
