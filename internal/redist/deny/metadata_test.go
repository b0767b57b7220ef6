//go:build e2e

package deny

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/acceptance/debian"
)

// reader is a program that reads a document as programs beside cargo do, and tells who uses what.
const reader = `fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    let all: cargo_metadata::Metadata = cargo_metadata::MetadataCommand::parse(text).unwrap();
    let name = |id: &cargo_metadata::PackageId| format!("{} {}", all[id].name, all[id].version);
    let resolve = all.resolve.as_ref().unwrap();
    println!("root {}", name(resolve.root.as_ref().unwrap()));
    for package in &all.packages {
        println!("{} crates.io {:?} published {:?}", name(&package.id), package.source.as_ref().map(|s| s.is_crates_io()), package.publish);
        for d in &package.dependencies {
            println!("  wants {} {} {:?} optional {}", d.name, d.req, d.kind, d.optional);
        }
    }
    for node in &resolve.nodes {
        for dep in &node.deps {
            println!("{} uses {} as {} {:?}", name(&node.id), name(&dep.pkg), dep.name, dep.dep_kinds[0].kind);
        }
    }
}
`

// The document is one that the real reader of such documents takes, and says what was meant.
func TestRealReader(t *testing.T) {
	_, unpacked, err := debian.Crates(t.Context(), "librust-cargo-metadata-dev")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put(t, filepath.Join(dir, "Cargo.toml"), "[package]\nname = \"reader\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[dependencies]\ncargo_metadata = \"*\"\n")
	put(t, filepath.Join(dir, "src", "main.rs"), reader)
	put(t, filepath.Join(dir, ".cargo", "config.toml"), "[source.crates-io]\nreplace-with = \"debian\"\n\n[source.debian]\ndirectory = \""+unpacked+"\"\n")
	put(t, filepath.Join(dir, "metadata.json"), string(metadata("/tmp/wanted", CratesIO, crates)))
	cmd := exec.CommandContext(t.Context(), "cargo", "run", "--quiet", "--offline", "metadata.json")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CARGO_HOME="+t.TempDir())
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	for _, want := range []string{
		"root tagboat-wanted 0.0.0",
		"loose 0.2.0-rc.1+x crates.io Some(true) published None",
		"tagboat-rest 0.0.0 crates.io None published None",
		"  wants fine-one =1.0.0 Normal optional false",
		"tagboat-rest 0.0.0 uses fine-one 1.0.0 as fine_one Normal",
		"tagboat-rest 0.0.0 uses time 0.2.7 as time Normal",
		"tagboat-rest 0.0.0 uses time 0.3.0 as time Normal",
		"tagboat-wanted 0.0.0 uses tagboat-rest 0.0.0 as tagboat_rest Normal",
		"tagboat-wanted 0.0.0 uses time 0.2.7 as time Normal",
	} {
		if !strings.Contains("\n"+string(out), "\n"+want+"\n") {
			t.Errorf("not told: %q\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "tagboat-wanted 0.0.0 uses time 0.3.0") {
		t.Errorf("what is used below is said to be used directly:\n%s", out)
	}
}
