package kind

import (
	"net/url"
	"slices"
	"testing"
)

func TestOf(t *testing.T) {
	for index, want := range map[string]Kind{
		"https://index.crates.io/": CratesIO,
		"https://pkgs.dev.azure.com/org/project/_packaging/feed/Cargo/index/":                             Azure,
		"https://pkgs.dev.azure.com/org/_packaging/feed/Cargo/index/":                                     Azure,
		"https://pkgs.dev.azure.com/org/_packaging/feed%40Local/Cargo/index/":                             Azure,
		"https://ORG.pkgs.visualstudio.com/project/_packaging/feed/Cargo/index/":                          Azure,
		"https://org.pkgs.visualstudio.com/_packaging/feed/Cargo/index/~force-auth/":                      Azure,
		"https://pkgs.dev.azure.com.evil.example/org/_packaging/feed/Cargo/index/":                        Generic,
		"https://evilpkgs.visualstudio.com/":                                                              Generic,
		"https://codeberg.org/api/packages/me/cargo/":                                                     Gitea,
		"http://127.0.0.1:3000/sub/api/packages/me/cargo/":                                                Gitea,
		"https://kellnr.example/api/v1/crates/":                                                           Kellnr,
		"https://art.example/artifactory/api/cargo/crates-local/index/":                                   Artifactory,
		"https://acme.jfrog.io/artifactory/api/cargo/crates-local/index/":                                 Artifactory,
		"https://cargo.cloudsmith.io/acme/crates/":                                                        Cloudsmith,
		"https://acme-123456789012.d.codeartifact.us-west-2.amazonaws.com/cargo/crates/":                  CodeArtifact,
		"https://acme-123456789012.d.codeartifact.us-west-2.amazonaws.com.evil.example/cargo/crates/":     Generic,
		"https://codeartifact.us-west-2.on.aws/d/acme/cargo/crates/":                                      CodeArtifact,
		"https://crates.example/index/":                                                                   Generic,
		"https://crates.example/https://pkgs.dev.azure.com/org/project/_packaging/feed/Cargo/index/nope/": Generic,
	} {
		u, err := url.Parse(index)
		if err != nil {
			t.Fatal(err)
		}
		if got := Of(u); got != want {
			t.Errorf("Of(%s) = %s, want %s", index, got, want)
		}
	}
}

// TestTable holds what the rest relies on: an unverified fact makes nothing depend on it.
func TestTable(t *testing.T) {
	seen := map[Kind]bool{}
	for i, x := range All() {
		if seen[x.Kind] || x.Title == "" || x.TokenForm == "" || x.Form == "" || x.Wait == "" || x.Again == "" || x.Index == "" {
			t.Errorf("line %d is not whole: %+v", i, x)
		}
		seen[x.Kind] = true
		if (x.Duplicate.Status == 0) != slices.Contains(x.Unverified, FactDuplicate) {
			t.Errorf("%s: an answer without a source, or a source without an answer", x.Kind)
		}
		if (x.Index == FromUnknown) != slices.Contains(x.Unverified, FactIndex) || (x.Again == AgainOpen) != slices.Contains(x.Unverified, FactAgain) {
			t.Errorf("%s: unknown and unverified do not agree", x.Kind)
		}
		if len(x.Unverified) > 0 && x.Wait != Index {
			t.Errorf("%s has unverified facts and does not wait for its index", x.Kind)
		}
	}
	if last := All()[len(All())-1]; last.Kind != Generic || Kind("unheard-of").Traits().Kind != Generic {
		t.Error("an unknown kind is not Generic")
	}
}
