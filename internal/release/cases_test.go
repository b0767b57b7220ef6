package release_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/release"
)

var update = flag.Bool("update", false, "write the wanted texts of testdata anew")

// TestRules judges snapshots. Each file of testdata/rules names a snapshot in its first line; each pair of sections in it
// is one case: how the snapshot differs (a JSON merge patch, RFC 7386), and what the rules find.
func TestRules(t *testing.T) {
	cases(t, "testdata/rules/*.txtar", func(t *testing.T, s release.Snapshot) string { return findings(release.Judge(s)) })
}

// TestPlans makes plans, in files like those of TestRules.
func TestPlans(t *testing.T) {
	cases(t, "testdata/plan/*.txtar", func(t *testing.T, s release.Snapshot) string {
		p := release.MakePlan(s)
		if err := p.Check(); err != nil {
			t.Errorf("the plan is broken: %v", err)
		}
		return plan(p)
	})
}

func cases(t *testing.T, glob string, do func(*testing.T, release.Snapshot) string) {
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", glob, len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			base, _, _ := strings.Cut(string(a.Comment), "\n")
			changed := false
			for i := 0; i+1 < len(a.Files); i += 2 {
				t.Run(a.Files[i].Name, func(t *testing.T) {
					s := snapshot(t, base, a.Files[i].Data)
					before := encode(t, s)
					got, want := do(t, s), &a.Files[i+1]
					if after := encode(t, s); after != before {
						t.Errorf("the snapshot has changed:\n%s", cmp.Diff(before, after))
					}
					var again release.Snapshot
					if err := json.Unmarshal([]byte(before), &again); err != nil {
						t.Fatal(err)
					}
					if twice := do(t, again); twice != got {
						t.Errorf("after a round trip through JSON it is another:\n%s", cmp.Diff(got, twice))
					}
					if want.Name != "want" {
						t.Fatalf("section %q stands where %q must", want.Name, "want")
					}
					if *update {
						changed = changed || string(want.Data) != got
						want.Data = []byte(got)
					} else if diff := cmp.Diff(string(want.Data), got); diff != "" {
						t.Errorf("(-want +got; go test ./internal/release -update writes it anew)\n%s", diff)
					}
				})
			}
			if changed {
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// snapshot reads testdata/snapshots/BASE.json with a merge patch over it. Its configuration starts from the defaults.
func snapshot(t *testing.T, base string, patch []byte) release.Snapshot {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "snapshots", base+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var tree, change any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(patch, &change); err != nil {
		t.Fatalf("patch: %v", err)
	}
	merged, err := json.Marshal(merge(tree, change))
	if err != nil {
		t.Fatal(err)
	}
	s := release.Snapshot{Config: config.Default()}
	if err := json.Unmarshal(merged, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func merge(to, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out, ok := to.(map[string]any)
	if !ok {
		out = map[string]any{}
	}
	for k, v := range p {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = merge(out[k], v)
		}
	}
	return out
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func findings(list []release.Finding) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%s %s: %s\n", f.Severity, f.Rule, f.Summary)
		for _, line := range []struct{ name, text string }{{"at", place(f)}, {"detail", f.Detail}, {"hint", f.Hint}, {"relaxed", f.Relaxed}} {
			if line.text != "" {
				fmt.Fprintf(&b, "  %s: %s\n", line.name, strings.ReplaceAll(line.text, "\n", "\n    "))
			}
		}
	}
	if b.Len() == 0 {
		return "holds\n"
	}
	return b.String()
}

func place(f release.Finding) string {
	if f.Line > 0 {
		return fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return f.File
}

// plan writes one line for each step: what it is, what it waits for ("checks" are all of them), where and why.
func plan(p release.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "half %s\n", p.Half)
	checks := 0
	for _, s := range p.Steps {
		if s.Kind == release.KindCheck {
			checks++
		}
	}
	for _, s := range p.Steps {
		if s.Kind == release.KindCheck && s.Reason == "holds" {
			continue
		}
		b.WriteString(s.Key)
		if len(s.Needs) == checks && strings.HasPrefix(s.Needs[0], release.KindCheck+"/") {
			b.WriteString(" <- checks")
		} else if len(s.Needs) > 0 {
			b.WriteString(" <- " + strings.Join(s.Needs, " "))
		}
		if s.Lane != "" {
			fmt.Fprintf(&b, " [%s]", s.Lane)
		}
		if s.Args["severity"] != "" {
			fmt.Fprintf(&b, " (%s %s)", s.Args["severity"], s.Args["relaxed"])
		}
		fmt.Fprintf(&b, ": %s\n", s.Reason)
	}
	return b.String()
}
