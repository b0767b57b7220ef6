package storm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// asProgram lets the test binary be a program that makes a storm.
const asProgram = "STORM_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	r, err := Main(context.Background(), Options{Seeds: 3, First: 1})
	fmt.Println(r.Releases, r.Violation == nil, err)
}

// Flags that package testing does not know, in front of the command, must not disturb it.
func TestMainFunction(t *testing.T) {
	for _, args := range [][]string{{"--json", "rehearse", "--storm", "3"}, {"rehearse", "--storm", "3", "-test.run", "nothing"}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "3 true <nil>" {
			t.Errorf("%v: got %q, %v", args, out, err)
		}
	}
}
