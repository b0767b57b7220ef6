package semver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	own "github.com/tagboat/tagboat/internal/semver"
)

// acceptedReqs maps requirements that cargo accepts to what it prints for them.
var acceptedReqs = map[string]string{
	"1": "^1", "1.2": "^1.2", "1.2.3": "^1.2.3", "0": "^0", "0.0": "^0.0", "0.0.0": "^0.0.0",
	"^1": "^1", "~1.2": "~1.2", "=1.2.3": "=1.2.3", ">1": ">1", ">=1": ">=1", "<1": "<1", "<=1": "<=1",
	" 1 ": "^1", "^ 1": "^1", ">=   1.2  ": ">=1.2", " >= 0.3.0 ,<2 ": ">=0.3.0, <2", "1,2": "^1, ^2", "1 , 2": "^1, ^2",
	"*": "*", " * ": "*", "x": "*", "X ": "*", "0.*": "0.*", "1.x": "1.*", "1.X": "1.*", "1.*.*": "1.*", "1.x.X": "1.*", "1.2.*": "1.2.*", "1.2.x": "1.2.*",
	"=1.*": "=1", "=1.2.*": "=1.2", ">1.*": ">1", ">=1.2.x": ">=1.2", "<1.x.x": "<1", "~1.*": "~1", "^1.*": "^1", "^ 1.2.X": "^1.2",
	"1.2.3-rc.1": "^1.2.3-rc.1", "=1.2.3-rc.1+b": "=1.2.3-rc.1", "1.2.3+b.01": "^1.2.3", ">=1.2.3-0": ">=1.2.3-0", "1.2.3--": "^1.2.3--",
	"1.2.3-5-gabc": "^1.2.3-5-gabc", "1.2.3-a.b.c-d.0": "^1.2.3-a.b.c-d.0", "1.2.3-00a": "^1.2.3-00a", "1.2.3-x": "^1.2.3-x", "1.2.3-X.x": "^1.2.3-X.x",
	"18446744073709551615.18446744073709551615.18446744073709551615": "^18446744073709551615.18446744073709551615.18446744073709551615",
	"1.*, 2": "1.*, ^2", ">=1, <2, >=1.1, <1.9": ">=1, <2, >=1.1, <1.9", "=0.3.0-20260416104353-d349504353ba": "=0.3.0-20260416104353-d349504353ba",
	">=1.2.3-rc.1, <1.3": ">=1.2.3-rc.1, <1.3", "1.2.3-99999999999999999999999": "^1.2.3-99999999999999999999999",
	strings.TrimSuffix(strings.Repeat("1,", 32), ","): strings.TrimSuffix(strings.Repeat("^1, ", 32), ", "),
}

var refusedReqs = []string{
	"", " ", ",", "1,", ",1", "1,,2", "1 2", ">=1 <2", "1\t", "\t1", "1\n", "*,1", "1,*", "*, *", "* 1", "x.1", "X.1", "*.1", "*.*", "1.*.3", "1.x.3",
	"~*", ">=*", "^*", "=*", "v1", "V1.2", "=v1", "1.2-rc.1", "1-rc", "1.*-rc", "1.2.*-rc", "1.2+b", "1.2.3-", "1.2.3+", "1.2.3-+b", "1.2.3-a..b", "1.2.3-a.", "1.2.3-.a",
	"1.2.3-01", "1.2.3-a.00", "1.2.3-a_b", "1.2.3+a+b", "1.2.3.4", "1.2.", "1.", ".1", "1..2", "01", "1.02", "00", "1.2.03", "-1", "+1", "a", "latest",
	"==1", "=>1", "=<1", "> =1", "<>1", "><1", "!=1", "~>1", "~=1", "~~1", "^^1", ">=", "^", "~", "1 - 2", "1 || 2", "1.2.3 -rc", "1 .2", "1. 2",
	"18446744073709551616", "1.18446744073709551616", "1.2.3-é", "\u00a01", "１", "(1)", "[1,2)", "1;2", "1&2", "1.2.3*", "1*", "1.2*", "xx", "**", "x*",
	strings.TrimSuffix(strings.Repeat("1,", 33), ","),
}

var acceptedVersions = []string{"0.0.0", "1.2.3", "1.2.3-rc.1", "1.2.3-rc-1", "1.2.3-rc--1", "1.2.3--a", "1.2.3--", "1.2.3-5-gabc", "1.2.3-0a", "1.2.3-0", "1.2.3-rc.1+b", "1.2.3+01", "1.2.3+-",
	"0.3.0-20260416104353-d349504353ba", "18446744073709551615.0.0", "1.2.3-18446744073709551616", "1.2.3-a.b.c.d.e.f"}

var refusedVersions = []string{"", "1", "1.2", "1.2.3.4", "v1.2.3", "=1.2.3", "1.2.3-01", "1.2.3-", "1.2.3+", "1.2.3-a..b", "1.2.3-.a", "1.2.3-a.", "1.2.3-a_b", "1.2.3+a+b", "01.2.3",
	"1.02.3", "1.2.03", "1.2.x", "1.2.*", "1.2.3 rc", "18446744073709551616.0.0", "1.2.-3", "a.b.c", "1,2,3", "1.2.3-é"}

// TestReqTable holds the tables against the parser, TestReqAsCargo against the real cargo.
func TestReqTable(t *testing.T) {
	for in, want := range acceptedReqs {
		if r, err := own.ParseReq(in); err != nil || r.String() != want {
			t.Errorf("ParseReq(%q) = %q, %v, want %q", in, r, err, want)
		}
	}
	for _, in := range refusedReqs {
		if r, err := own.ParseReq(in); err == nil {
			t.Errorf("ParseReq(%q) = %q, want an error", in, r)
		}
	}
	for _, in := range acceptedVersions {
		if _, err := own.Parse(in); err != nil {
			t.Error(err)
		}
	}
	for _, in := range refusedVersions {
		if v, err := own.Parse(in); err == nil {
			t.Errorf("Parse(%q) = %q, want an error", in, v)
		}
	}
}

func TestReqAsCargo(t *testing.T) {
	reqs := slices.Sorted(maps.Keys(acceptedReqs))
	for o := range strings.FieldsSeq("= > >= < <= ~ ^") {
		for _, n := range []string{"7", "7.0", "7.0.9", "7.x", "7.0.*", "7.0.9-a.1", "7.0.9+b"} {
			reqs = append(reqs, o+n, " "+o+"  "+n+" , <9")
		}
	}
	got, err := cargoReqs(t, reqs...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range reqs {
		if want, known := acceptedReqs[r]; known && want != got[i] {
			t.Errorf("%q: cargo prints %q, the table says %q", r, got[i], want)
		}
		parsed, err := own.ParseReq(r)
		if err != nil || parsed.String() != got[i] {
			t.Errorf("%q: got %q, %v, cargo prints %q", r, parsed, err, got[i])
		}
	}
}

func TestRefusedAsCargo(t *testing.T) {
	parallel(refusedReqs, func(r string) {
		if printed, err := cargoReqs(t, r); err == nil {
			t.Errorf("cargo accepts the requirement %q as %q", r, printed)
		}
	})
	parallel(refusedVersions, func(v string) {
		if _, err := cargoMetadata(t, v, nil); err == nil {
			t.Errorf("cargo accepts the version %q", v)
		}
	})
	parallel(acceptedVersions, func(v string) {
		if m, err := cargoMetadata(t, v, nil); err != nil || m.Version != v {
			t.Errorf("cargo reads the version %q as %q, %v", v, m.Version, err)
		}
	})
}

// parallel calls do for every item, two at a time.
func parallel(items []string, do func(string)) {
	var wg sync.WaitGroup
	for part := range slices.Chunk(items, (len(items)+1)/2) {
		wg.Go(func() {
			for _, item := range part {
				do(item)
			}
		})
	}
	wg.Wait()
}

type metadata struct {
	Version      string
	Dependencies []struct{ Name, Req string }
}

// cargoReqs returns the requirements as cargo prints them, or its error when it refuses one.
func cargoReqs(t *testing.T, reqs ...string) ([]string, error) {
	m, err := cargoMetadata(t, "0.1.0", reqs)
	if err != nil {
		return nil, err
	}
	printed := map[string]string{}
	for _, d := range m.Dependencies {
		printed[d.Name] = d.Req
	}
	out := make([]string, len(reqs))
	for i := range reqs {
		out[i] = printed[fmt.Sprintf("d%d", i)]
	}
	return out, nil
}

// cargoMetadata lets cargo read a manifest with this version and these requirements. It reads no network.
func cargoMetadata(t *testing.T, version string, reqs []string) (metadata, error) {
	t.Helper()
	dir := t.TempDir()
	manifest := fmt.Sprintf("[package]\nname = \"p\"\nversion = %s\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\n", quote(version))
	for i, r := range reqs {
		manifest += fmt.Sprintf("d%d = { version = %s }\n", i, quote(r))
	}
	for name, text := range map[string]string{"Cargo.toml": manifest, "lib.rs": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("cargo", "metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path", filepath.Join(dir, "Cargo.toml"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if text := stderr.String(); !strings.Contains(text, "failed to parse") && !strings.Contains(text, "Cargo.toml:3:") {
			t.Errorf("cargo failed for another reason: %v\n%s", err, &stderr)
		}
		return metadata{}, fmt.Errorf("%w: %s", err, &stderr)
	}
	var doc struct{ Packages []metadata }
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Packages[0], nil
}

func quote(s string) string {
	js, _ := json.Marshal(s) // a JSON string is a TOML string
	return string(js)
}
