package tree

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/action"
	"github.com/tagboat/tagboat/internal/cli"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
)

var update = flag.Bool("update", false, "write the generated documents anew")

const faultsIntro = "# Faults\n\n" +
	"<!-- Generated from internal/rehearsal/fault; `make docs` writes it anew. -->\n\n" +
	"`tagboat rehearse --fault` makes things go wrong, so that you can see how a release survives them.\n\n"

// TestGenerated holds the documents that are made from code; docs/configuration.md has its test beside its generator.
func TestGenerated(t *testing.T) {
	for path, want := range map[string]string{
		"docs/commands.md": cli.Reference(),
		"docs/action.md":   action.Reference(),
		"action.yml":       action.Manifest(),
		"docs/faults.md":   faultsIntro + fault.Reference(),
	} {
		if *update {
			if err := os.WriteFile(root+"/"+path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(root + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		// In the commit of a release, action.yml names the image instead.
		text := imageReleased.ReplaceAllString(string(got), strings.TrimSuffix(imageMain, "\n"))
		if diff := cmp.Diff(want, text); diff != "" {
			t.Errorf("%s is not current (`make docs` writes it anew), -want +got:\n%s", path, diff)
		}
	}
}
