package tree

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/action"
	"github.com/tagboat/tagboat/internal/cli"
	"github.com/tagboat/tagboat/internal/registry/kind"
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

const kindsFrom, kindsTo = "<!-- table of kinds: `make docs` writes it anew -->\n", "<!-- end of table -->\n"

// TestGeneratedKinds holds the table of docs/registries.md equal to the code's.
func TestGeneratedKinds(t *testing.T) {
	var table strings.Builder
	table.WriteString("| `kind` | Registry | Token sent | Checked before | Duplicate | Again | Waits for | Largest crate | Index from | Not verified |\n" +
		"|---|---|---|---|---|---|---|---|---|---|\n")
	for _, k := range kind.All() {
		duplicate, largest, unverified := "unknown", "unknown", "nothing"
		if k.Duplicate.Status != 0 {
			duplicate = fmt.Sprintf("%d \"%s\"", k.Duplicate.Status, k.Duplicate.Says)
		}
		if k.MaxCrate > 0 {
			largest = fmt.Sprintf("%d MiB", k.MaxCrate>>20)
		}
		if len(k.Unverified) > 0 {
			unverified = strings.Trim(fmt.Sprintf("%q", k.Unverified), "[]")
			unverified = strings.ReplaceAll(strings.ReplaceAll(unverified, `" "`, "; "), `"`, "")
		}
		token := map[kind.Form]string{kind.Bare: "as it is", kind.Bearer: "Bearer", kind.BasicPAT: "Basic of PAT:token; Bearer for a JSON web token"}[k.Form]
		checked := map[kind.Probe]string{kind.ProbeNone: "reading", kind.ProbeFollowing: "whether it is valid and unlimited", kind.ProbeUpload: "whether it may publish (empty upload)", kind.ProbeToken: "whether it is valid (empty upload)"}[k.Probe]
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", k.Kind, k.Title, token, checked, duplicate, k.Again, k.Wait, largest, k.Index, unverified)
	}
	text := read(t, "docs/registries.md")
	before, rest, ok := strings.Cut(text, kindsFrom)
	_, after, ok2 := strings.Cut(rest, kindsTo)
	if !ok || !ok2 {
		t.Fatal("docs/registries.md has no place for the table")
	}
	want := before + kindsFrom + table.String() + kindsTo + after
	if *update {
		if err := os.WriteFile(root+"/docs/registries.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("docs/registries.md is not current (`make docs` writes it anew), -want +got:\n%s", diff)
	}
	for _, k := range kind.All() {
		if heading := "\n## " + k.Title + "\n"; !strings.Contains(strings.ToLower(text), strings.ToLower(heading)) {
			t.Errorf("docs/registries.md has no section %q", k.Title)
		}
	}
}
