package registrytwin

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/rehearsal/cratestore"
	"github.com/tagboat/tagboat/internal/secret"
)

func TestPublishAndRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegistry(t, Config{Manners: CratesIO, Known: func(name string) bool { return name == "serde" }})
		base := pack(t, "lab-base", "0.1.0+build.5", complete+`rust-version = "1.70"
[features]
std = ["alloc"]
alloc = ["dep:serde"]
plain = []
[dependencies.serde]
version = "1"
optional = true
`)
		top := pack(t, "Lab_top", "1.0.0-rc.1", complete+"[dependencies.base]\nversion = \"0.1\"\npackage = \"lab-base\"\n"+
			"[target.'cfg(unix)'.build-dependencies]\nserde = { version = \"1.0\", default-features = false, features = [\"derive\"] }\n")
		for _, crate := range [][]byte{base, top} {
			if a := g.publish(t, "good", crate); a.status != http.StatusOK || !strings.Contains(a.body, `"invalid_categories":[]`) {
				t.Fatalf("publish: %+v", a)
			}
		}

		if a := g.get(t, "/index/config.json"); a.body != `{"dl":"http://registry.example/api/v1/crates","api":"http://registry.example"}`+"\n" {
			t.Errorf("config.json: %s", a.body)
		}
		sum := sha256.Sum256(base)
		a := g.get(t, "/index/la/b-/lab-base")
		want := `{"name":"lab-base","vers":"0.1.0+build.5","deps":[{"name":"serde","req":"^1","features":[],"optional":true,"default_features":true,` +
			`"target":null,"kind":"normal"}],"cksum":"` + hex.EncodeToString(sum[:]) + `","features":{"plain":[]},` +
			`"features2":{"alloc":["dep:serde"],"std":["alloc"]},"yanked":false,"rust_version":"1.70","pubtime":"2000-01-01T00:00:00Z","v":2}` + "\n"
		if diff := cmp.Diff(want, a.body); diff != "" {
			t.Errorf("index (-want +got):\n%s", diff)
		}
		if got := a.header.Get("Last-Modified"); got != "Sat, 01 Jan 2000 00:00:00 GMT" {
			t.Errorf("Last-Modified is %q", got)
		}
		if again := g.get(t, "/index/la/b-/lab-base", "If-None-Match", a.header.Get("ETag")); again.status != http.StatusNotModified || again.body != "" {
			t.Errorf("with its ETag: %+v", again)
		}
		deps := lines(t, g.get(t, "/index/la/b_/lab_top").body)[0].Deps
		name, unix := "lab-base", "cfg(unix)"
		if diff := cmp.Diff([]cratestore.LineDependency{
			{Name: "base", Req: "^0.1", Features: []string{}, DefaultFeatures: true, Kind: "normal", Package: &name},
			{Name: "serde", Req: "^1.0", Features: []string{"derive"}, Target: &unix, Kind: "build"},
		}, deps); diff != "" {
			t.Errorf("dependencies (-want +got):\n%s", diff)
		}
		for path, status := range map[string]int{
			"/index/la/b-/lab-top": 404, "/index/la/b_/Lab_top": 404, "/index/xx/b-/lab-base": 404, "/index/": 404, "/": 404,
			"/api/v1/crates/lab-base/0.1.0/download": 404, "/api/v1/crates/nobody": 404,
		} {
			if a := g.get(t, path); a.status != status {
				t.Errorf("%s: %d, want %d", path, a.status, status)
			}
		}
		if a := g.get(t, "/api/v1/crates/lab-base/0.1.0+build.5/download"); a.body != string(base) {
			t.Errorf("download: %d, %d bytes, want %d", a.status, len(a.body), len(base))
		}
		if diff := cmp.Diff([]Upload{
			{"lab-base", "0.1.0+build.5", hex.EncodeToString(sum[:]), int64(len(base)), time.Now(), "ci"},
			{"Lab_top", "1.0.0-rc.1", lines(t, g.get(t, "/index/la/b_/lab_top").body)[0].Checksum, int64(len(top)), time.Now(), "ci"},
		}, g.Accepted()); diff != "" {
			t.Errorf("accepted (-want +got):\n%s", diff)
		}
		if got := g.Requests(); got["publish"] != 2 || got["download"] != 2 || got["config"] != 1 {
			t.Errorf("requests: %v", got)
		}
	})
}

func TestYankOwnersSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegistry(t, Config{Manners: CratesIO, Dir: t.TempDir()})
		crate := pack(t, "core", "1.0.0", complete)
		g.publish(t, "good", crate)
		g.publish(t, "good", pack(t, "core", "1.1.0-rc.1", complete))
		if a := g.do(t, http.MethodDelete, "/api/v1/crates/core/1.0.0/yank", "good", nil); a.body != `{"ok":true}`+"\n" {
			t.Errorf("yank: %+v", a)
		}
		if got := lines(t, g.get(t, "/index/co/re/core").body); !got[0].Yanked || got[1].Yanked {
			t.Errorf("after yank: %+v", got)
		}
		if a := g.get(t, "/api/v1/crates/core/1.0.0/download"); a.body != string(crate) {
			t.Errorf("a yanked version is still downloaded: %+v", a)
		}
		time.Sleep(time.Minute)
		g.do(t, http.MethodPut, "/api/v1/crates/core/1.0.0/unyank", "good", nil)
		if at := g.get(t, "/index/co/re/core").header.Get("Last-Modified"); at != "Sat, 01 Jan 2000 00:01:00 GMT" {
			t.Errorf("Last-Modified after unyank is %s", at)
		}
		if got := lines(t, g.get(t, "/index/co/re/core").body); got[0].Yanked {
			t.Errorf("after unyank: %+v", got)
		}
		if a := g.do(t, http.MethodDelete, "/api/v1/crates/core/1.0.0/yank", "reader", nil); a.status != http.StatusForbidden {
			t.Errorf("yank by a reader: %+v", a)
		}
		if a := g.do(t, http.MethodDelete, "/api/v1/crates/core/9.0.0/yank", "good", nil); a.status != http.StatusNotFound {
			t.Errorf("yank of nothing: %+v", a)
		}
		if a := g.get(t, "/api/v1/crates/core/owners"); a.body != `{"users":[{"id":1,"login":"ci","name":"ci"}]}`+"\n" {
			t.Errorf("owners: %s", a.body)
		}
		if a := g.get(t, "/api/v1/crates?q=OR&per_page=5"); !strings.Contains(a.body, `"max_version":"1.1.0-rc.1"`) || !strings.Contains(a.body, `"total":1`) {
			t.Errorf("search: %s", a.body)
		}
		if a := g.get(t, "/api/v1/crates/core"); !strings.Contains(a.body, `"versions":[{"crate":"core","num":"1.1.0-rc.1","yanked":false}`) {
			t.Errorf("crate: %s", a.body)
		}
	})
}

func TestCratesIORefusals(t *testing.T) {
	g := newRegistry(t, Config{Manners: CratesIO, MaxSize: 4096, Owners: map[string][]string{"theirs": {"other"}}})
	if a := g.publish(t, "good", pack(t, "lab-base", "1.0.0+one", complete)); a.status != http.StatusOK {
		t.Fatalf("publish: %+v", a)
	}
	good := func(name, rest string) []byte { return upload(t, pack(t, name, "1.0.0", rest)) }
	told := func(name, version string, crate []byte) []byte {
		return frame([]byte(`{"name":"`+name+`","vers":"`+version+`"}`), crate)
	}
	file := func(name string) tar.Header { return tar.Header{Name: name} }
	for name, test := range map[string]struct {
		body []byte
		want string
	}{
		"no body":         {nil, "400 invalid metadata length"},
		"short metadata":  {[]byte("\xff\x00\x00\x00{}"), "400 invalid metadata length for remaining payload: 255"},
		"long metadata":   {[]byte("\x01\x00\x10\x00{}"), "413 JSON metadata blob too large"},
		"no JSON":         {frame([]byte("crate"), nil), "400 invalid upload request: "},
		"no archive":      {frame([]byte(`{"name":"a","vers":"1.0.0"}`), nil)[:31], "400 invalid tarball length"},
		"short archive":   {good("lab-new", complete)[:300], "400 invalid tarball length for remaining payload"},
		"large archive":   {told("a", "1.0.0", make([]byte, 4097)), "413 max upload size is: 4096"},
		"empty name":      {told("", "1.0.0", nil), "400 crate name cannot be empty"},
		"name of digits":  {told("1st", "1.0.0", nil), "400 the name `1st` cannot be used as a crate name, the name cannot start with a digit"},
		"first letter":    {told("_a", "1.0.0", nil), "400 invalid character `_` in crate name: `_a`, the first character must be an ASCII character"},
		"letters":         {told("a/b", "1.0.0", nil), "400 invalid character `/` in crate name: `a/b`, characters must be"},
		"version":         {told("a", "1.0", nil), `400 "1.0" is an invalid semver version`},
		"same version":    {upload(t, pack(t, "lab-base", "1.0.0+two", complete)), "400 crate version `1.0.0` is already uploaded"},
		"canonical name":  {upload(t, pack(t, "lab_base", "2.0.0", complete)), "400 crate was previously named `lab-base`"},
		"another's":       {good("theirs", complete), "403 this crate exists but you don't seem to be an owner."},
		"no description":  {good("a", "license = \"MIT\"\n"), "400 missing or empty metadata fields: description. Please see https://doc.rust-lang.org/"},
		"nothing":         {good("a", ""), "400 missing or empty metadata fields: description, license. Please see"},
		"homepage":        {good("a", complete+"homepage = \"example.com\"\n"), "400 URL for field `homepage` must begin with http:// or https:// (url: example.com)"},
		"keywords":        {good("a", complete+`keywords = ["a","b","c","d","e","f"]`), "400 expected at most 5 keywords per crate"},
		"keyword":         {good("a", complete+`keywords = ["a b"]`), `400 "a b" is an invalid keyword`},
		"categories":      {good("a", complete+`categories = ["a","b","c","d","e","f"]`), "400 expected at most 5 categories per crate"},
		"wildcard":        {good("a", complete+"[dependencies]\nlab-base = \"*\"\n"), "400 wildcard (`*`) dependency constraints are not allowed on crates.io. Crate with this problem: `lab-base`"},
		"unknown":         {good("a", complete+"[dependencies]\nlab-none = \"1\"\n"), "400 no known crate named `lab-none`"},
		"unknown as _":    {good("a", complete+"[dependencies]\nlab_base = \"1\"\n"), "400 no known crate named `lab_base`"},
		"cross registry":  {good("a", complete+"[dependencies.lab-base]\nversion = \"1\"\nregistry-index = \"sparse+https://feed.example/\"\n"), "400 Dependency `lab-base` is hosted on another registry. Cross-registry dependencies are not permitted on crates.io."},
		"no gzip":         {told("a", "1.0.0", []byte("crate")), "400 uploaded tarball is malformed or too large when decompressed"},
		"no manifest":     {told("a", "1.0.0", archiveOf(t, file("a-1.0.0/lib.rs"), "")), "400 uploaded tarball is missing a `Cargo.toml` manifest file"},
		"two manifests":   {told("a", "1.0.0", archiveOf(t, file("a-1.0.0/Cargo.toml"), "", file("a-1.0.0/cargo.toml"), "")), "400 uploaded tarball contains more than one `Cargo.toml` manifest file"},
		"outside":         {told("a", "1.0.0", archiveOf(t, file("a-1.0.0/Cargo.toml"), "", file("b/lib.rs"), "")), "400 invalid path found: b/lib.rs"},
		"upwards":         {told("a", "1.0.0", archiveOf(t, file("a-1.0.0/../b"), "")), "400 invalid path found: a-1.0.0/../b"},
		"link":            {told("a", "1.0.0", archiveOf(t, tar.Header{Name: "a-1.0.0/x", Linkname: "y", Typeflag: tar.TypeSymlink}, "")), "400 unexpected tar entry type Symlink found: a-1.0.0/x"},
		"another name":    {told("b", "1.0.0", pack(t, "a", "1.0.0", complete)), "400 metadata name `b` does not match manifest name `a`"},
		"another version": {told("a", "1.0.1", pack(t, "a", "1.0.0", complete)), "400 metadata version `1.0.1` does not match manifest version `1.0.0`"},
		"bad manifest":    {told("a", "1.0.0", archiveOf(t, file("a-1.0.0/Cargo.toml"), "[package")), "400 failed to parse `Cargo.toml` manifest file"},
	} {
		t.Run(name, func(t *testing.T) {
			a := g.do(t, http.MethodPut, "/api/v1/crates/new", "good", bytes.NewReader(test.body))
			status, sentence, _ := strings.Cut(test.want, " ")
			quoted := `{"errors":[{"detail":"` + strings.ReplaceAll(sentence, `"`, `\"`)
			if status != strconv.Itoa(a.status) || !strings.HasPrefix(a.body, quoted) {
				t.Errorf("got %d %s\nwant %s", a.status, a.body, test.want)
			}
		})
	}
	if got := len(g.Accepted()); got != 1 {
		t.Errorf("accepted %d uploads, want the first alone", got)
	}
}

func itoa(n int) string {
	return string(rune('0'+n/100)) + string(rune('0'+n/10%10)) + string(rune('0'+n%10))
}

func TestCredentials(t *testing.T) {
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, test := range map[string]struct {
		manners Manners
		token   string
		status  int
		body    string
	}{
		"crates.io, none":      {CratesIO, "", 403, `{"errors":[{"detail":"this action requires authentication"}]}`},
		"crates.io, unknown":   {CratesIO, "bad", 403, `{"errors":[{"detail":"authentication failed"}]}`},
		"crates.io, expired":   {CratesIO, "old", 403, `{"errors":[{"detail":"authentication failed"}]}`},
		"crates.io, read-only": {CratesIO, "reader", 403, `{"errors":[{"detail":"this token does not have the required permissions to perform this action"}]}`},
		"crates.io, basic":     {CratesIO, basic("PAT:good"), 401, "{\"errors\":[{\"detail\":\"Invalid `Authorization` header: Found unexpected authentication scheme `Basic`\"}]}"},
		"crates.io, bearer":    {CratesIO, "bearer good", 200, ""},
		"crates.io":            {CratesIO, "good", 200, ""},
		"lenient, none":        {Lenient, "", 401, "Unauthorized\n"},
		"lenient, read-only":   {Lenient, "Bearer reader", 401, "reqPackageAccess\n"},
		"lenient, basic":       {Lenient, basic("anybody:good"), 200, ""},
		"lenient, bare":        {Lenient, "good", 200, ""},
		"azure, none":          {Azure, "", 401, "TF400813"},
		"azure, bare":          {Azure, "good", 401, "TF400813"},
		"azure, basic":         {Azure, basic("PAT:good"), 200, ""},
		"azure, bearer":        {Azure, "Bearer good", 200, ""},
		"azure, expired":       {Azure, "Bearer old", 401, "TF400813"},
		"azure, read-only":     {Azure, "Bearer reader", 403, "AddPackage"},
		"gitea, bare":          {Gitea, "good", 401, "Unauthorized\n"},
		"gitea, bearer":        {Gitea, "Bearer good", 200, ""},
		"gitea, basic":         {Gitea, basic("PAT:good"), 200, ""},
		"gitea, read-only":     {Gitea, "Bearer reader", 401, "reqPackageAccess\n"},
		"kellnr, none":         {Kellnr, "", 401, ""},
		"kellnr, unknown":      {Kellnr, "bad", 403, ""},
		"kellnr, bare":         {Kellnr, "good", 200, ""},
		"kellnr, read-only":    {Kellnr, "reader", 400, `{"errors":[{"detail":"ERROR: Read-only users cannot modify the registry"}]}`},
		"artifactory, bare":    {Artifactory, "good", 401, `{"errors":[{"message":"Bad Credentials","status":401}]}`},
		"artifactory, bearer":  {Artifactory, "Bearer good", 200, ""},
		"artifactory, reader":  {Artifactory, "Bearer reader", 403, "Not enough permissions"},
		"cloudsmith, bare":     {Cloudsmith, "good", 200, ""},
		"cloudsmith, token":    {Cloudsmith, "Token good", 200, ""},
		"cloudsmith, unknown":  {Cloudsmith, "bad", 401, `{"detail":"Invalid token."}`},
		"codeartifact, bare":   {CodeArtifact, "good", 200, ""},
		"codeartifact, basic":  {CodeArtifact, basic("aws:good"), 401, "UnauthorizedException"},
		"codeartifact, reader": {CodeArtifact, "reader", 403, "AccessDeniedException"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRegistry(t, Config{
					Manners: test.manners,
					Tokens:  []Token{{Label: "old", Value: secret.New("old"), Scope: Publish, Expires: time.Now().Add(time.Minute)}},
				})
				time.Sleep(time.Minute)
				a := g.publish(t, test.token, pack(t, "core", "1.0.0", complete))
				if a.status != test.status || !strings.Contains(a.body, test.body) {
					t.Errorf("got %d %s\nwant %d %s", a.status, a.body, test.status, test.body)
				}
				if challenge := a.header.Get("WWW-Authenticate"); (a.status == 401 && test.manners.challenge() != "") != (challenge != "") {
					t.Errorf("the challenge is %q", challenge)
				}
			})
		})
	}
	g := newRegistry(t, Config{Manners: CratesIO})
	if a := g.do(t, http.MethodGet, "/index/config.json", "", nil, "User-Agent", ""); a.status != 403 || !strings.HasPrefix(a.body, "We require that all requests include a `User-Agent` header.") {
		t.Errorf("without a user agent: %+v", a)
	}
}

func TestAuthRequired(t *testing.T) {
	g := newRegistry(t, Config{AuthRequired: true})
	if a := g.publish(t, "good", pack(t, "core", "1.0.0", "")); a.status != 200 || !strings.Contains(a.body, `"ok":true`) {
		t.Fatalf("publish: %+v", a)
	}
	for _, path := range []string{"/index/config.json", "/index/co/re/core", "/api/v1/crates/core/1.0.0/download", "/api/v1/crates/core/owners", "/api/v1/crates"} {
		if a := g.get(t, path); a.status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, a.status)
		} else if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
			t.Errorf("%s without a token: the answer is %s", path, kind)
		}
		if a := g.do(t, http.MethodGet, path, "Bearer reader", nil); a.status != http.StatusOK {
			t.Errorf("%s with a token: %d", path, a.status)
		}
	}
	if a := g.do(t, http.MethodGet, "/index/config.json", "reader", nil); !strings.Contains(a.body, `"auth-required":true`) {
		t.Errorf("config.json: %s", a.body)
	}
}

// TestLenient shows what a registry that believes the JSON does not see.
func TestLenient(t *testing.T) {
	g := newRegistry(t, Config{Warnings: []string{"mind the gap"}})
	metadata := `{"name":"core","vers":"1.0.0","deps":[{"name":"lab-none","version_req":"*","features":[],"optional":false,"default_features":true,` +
		`"target":null,"kind":"normal","registry":"https://github.com/rust-lang/crates.io-index","explicit_name_in_toml":"none"}],"features":{"f":["dep:x"]},"rust_version":"1.70"}`
	put := func() answer {
		return g.do(t, http.MethodPut, "/api/v1/crates/new", "good", bytes.NewReader(frame([]byte(metadata), []byte("no archive"))))
	}
	if a := put(); a.status != 200 || !strings.Contains(a.body, "mind the gap") {
		t.Fatalf("publish: %+v", a)
	}
	want := `{"name":"core","vers":"1.0.0","deps":[{"name":"none","req":"*","features":[],"optional":false,"default_features":true,"target":null,` +
		`"kind":"normal","registry":"https://github.com/rust-lang/crates.io-index","package":"lab-none"}],"cksum":"` + lines(t, g.get(t, "/index/co/re/core").body)[0].Checksum +
		`","features":{"f":["dep:x"]},"yanked":false}` + "\n"
	if diff := cmp.Diff(want, g.get(t, "/index/co/re/core").body); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
	if a := put(); a.status != 409 || a.body != `{"errors":[{"detail":"package version already exists"}],"ok":false}`+"\n" {
		t.Errorf("again: %+v", a)
	}
	azure := newRegistry(t, Config{Manners: Azure, Name: "feed"})
	for _, want := range []int{200, 409} {
		a := azure.publish(t, "Bearer good", pack(t, "core", "1.0.0", ""))
		if a.status != want || want == 409 && !strings.Contains(a.body, "already contains file 'core-1.0.0.crate' in package 'core 1.0.0'.") {
			t.Errorf("azure: got %+v, want %d", a, want)
		}
	}
}

// TestTaken refuses a version that is there in the words of each registry, and only where it can never be used again after
// it was deleted.
func TestTaken(t *testing.T) {
	for manners, want := range map[Manners]string{
		CratesIO: "400 crate version `1.0.0` is already uploaded", Lenient: "409 package version already exists", Azure: "409 already contains file", Gitea: "409 package version already exists",
		Kellnr: "400 Crate with version already exists: core-1.0.0", Artifactory: "403 Not enough permissions to delete/overwrite", Cloudsmith: "422 could not be created", CodeArtifact: "409 ConflictException",
	} {
		g := newRegistry(t, Config{Manners: manners, Name: "feed"})
		put := func() answer { return g.publish(t, "Bearer good", pack(t, "core", "1.0.0", complete)) }
		status, says, _ := strings.Cut(want, " ")
		if a := put(); a.status != 200 {
			t.Fatalf("%s: %+v", manners, a)
		}
		if a := put(); itoa(a.status) != status || !strings.Contains(a.body, says) {
			t.Errorf("%s: got %d %s, want %s", manners, a.status, a.body, want)
		}
		if !g.Delete("core", "1.0.0") || g.Delete("core", "1.0.0") {
			t.Errorf("%s: the version was not there, or twice", manners)
		}
		if a := g.get(t, "/index/co/re/core"); strings.Contains(a.body, "1.0.0") {
			t.Errorf("%s: the index shows a deleted version: %s", manners, a.body)
		}
		again := put()
		if reserved := manners == CratesIO || manners == Azure; reserved != (itoa(again.status) == status) || !reserved && again.status != 200 {
			t.Errorf("%s: after deletion %d %s", manners, again.status, again.body)
		}
	}
}

func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegistry(t, Config{Manners: CratesIO, Lag: 30 * time.Second, LagOf: func(crate string) time.Duration {
			if crate == "slow" {
				return time.Minute
			}
			return 0
		}})
		g.publish(t, "good", pack(t, "core", "1.0.0", complete))
		g.publish(t, "good", pack(t, "slow", "1.0.0", complete))
		// Whether a dependency exists is not the index's question.
		if a := g.publish(t, "good", pack(t, "top", "1.0.0", complete+"[dependencies]\ncore = \"1\"\n")); a.status != http.StatusOK {
			t.Errorf("publish on top: %+v", a)
		}
		var got []string
		for range 4 {
			got = append(got, numbers(t, g.get(t, "/index/co/re/core")), numbers(t, g.get(t, "/index/sl/ow/slow")))
			time.Sleep(30 * time.Second)
		}
		if diff := cmp.Diff([]string{"Not Found", "Not Found", "1.0.0", "Not Found", "1.0.0", "Not Found", "1.0.0", "1.0.0"}, got); diff != "" {
			t.Errorf("index (-want +got):\n%s", diff)
		}
		if at := g.get(t, "/index/co/re/core").header.Get("Last-Modified"); at != "Sat, 01 Jan 2000 00:00:30 GMT" {
			t.Errorf("Last-Modified is %s", at)
		}
	})
}

func TestBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRegistry(t, Config{Manners: CratesIO, Buckets: Buckets{Bucket{2, 10 * time.Minute}, Bucket{1, time.Minute}}})
		publish := func(name, version string) answer { return g.publish(t, "good", pack(t, name, version, complete)) }
		for _, name := range []string{"a", "b"} {
			if a := publish(name, "1.0.0"); a.status != 200 {
				t.Errorf("%s: %+v", name, a)
			}
		}
		time.Sleep(90*time.Second + 500*time.Millisecond)
		a := publish("c", "1.0.0")
		want := "Sat, 01 Jan 2000 00:10:00 GMT"
		if a.status != 429 || a.header.Get("Retry-After") != want || a.body != `{"errors":[{"detail":"You have published too many new crates in a short period of time. `+
			`Please try again after `+want+` and see https://crates.io/docs/rate-limits for more details."}]}`+"\n" {
			t.Errorf("the third crate: %+v", a)
		}
		if a := publish("a", "1.1.0"); a.status != 200 {
			t.Errorf("a new version has a bucket of its own: %+v", a)
		}
		if a := g.publish(t, "other", pack(t, "d", "1.0.0", complete)); a.status != 200 {
			t.Errorf("another token has buckets of its own: %+v", a)
		}
		a = publish("a", "1.2.0")
		until, err := http.ParseTime(a.header.Get("Retry-After"))
		if a.status != 429 || err != nil || time.Until(until) < time.Minute || time.Until(until) > time.Minute+time.Second {
			t.Errorf("the next version: %+v", a)
		}
		time.Sleep(time.Until(until))
		if a := publish("a", "1.2.0"); a.status != 200 {
			t.Errorf("at the time given: %+v", a)
		}
		time.Sleep(10 * time.Minute)
		if a := publish("c", "1.0.0"); a.status != 200 {
			t.Errorf("the third crate, later: %+v", a)
		}
	})
}

func TestUpstreamFolder(t *testing.T) {
	folder, other := t.TempDir(), t.TempDir()
	write := func(dir, file string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	old := pack(t, "core-2", "0.9.0-rc.1", complete+"[dependencies]\nserde = \"1\"\n")
	write(folder, "core-2-0.9.0-rc.1.crate", old)
	write(other, "core-2-0.9.0-rc.1.crate", pack(t, "core-2", "0.9.0-rc.1", "")) // shadowed by the first folder's
	write(other, "core-2-0.8.0.crate", pack(t, "core-2", "0.8.0", ""))
	write(other, "lies-1.0.0.crate", pack(t, "truth", "1.0.0", ""))
	write(other, "README", nil)
	g := newRegistry(t, Config{Manners: CratesIO, Upstream: Upstream{Folders: []string{folder, other, filepath.Join(folder, "absent")}}})
	if got := numbers(t, g.get(t, "/index/co/re/core-2")); got != "0.9.0-rc.1 0.8.0" {
		t.Errorf("index: %s", got)
	}
	if a := g.get(t, "/index/li/es/lies"); a.status != 404 {
		t.Errorf("a file that is another crate: %+v", a)
	}
	if a := g.get(t, "/api/v1/crates/core-2/0.9.0-rc.1/download"); a.body != string(old) {
		t.Errorf("download: %+v", a)
	}
	write(other, "core-2-0.8.0.crate", old)
	if a := g.get(t, "/api/v1/crates/core-2/0.8.0/download"); a.status != http.StatusBadGateway || !strings.Contains(a.body, "sha256 is") {
		t.Errorf("download of a file that has changed: %+v", a)
	}
	for version, want := range map[string]int{"0.8.0": 400, "1.0.0": 200} {
		if a := g.publish(t, "good", pack(t, "core-2", version, complete+"[dependencies.x]\npackage = \"core-2\"\nversion = \"0.8\"\n")); a.status != want {
			t.Errorf("publish %s: %+v, want %d", version, a, want)
		}
	}
	if got := numbers(t, g.get(t, "/index/co/re/core-2")); got != "0.9.0-rc.1 0.8.0 1.0.0" {
		t.Errorf("index: %s", got)
	}
}

func TestUpstreamIndex(t *testing.T) {
	above := newRegistry(t, Config{Manners: CratesIO})
	crate := pack(t, "core", "1.0.0", complete)
	above.publish(t, "good", crate)
	g := newRegistry(t, Config{Manners: Azure, Upstream: Upstream{Index: "http://registry.example/index", HTTP: above.client}})
	read := func(path, token string) int { return g.do(t, http.MethodGet, path, token, nil).status }
	const index, file = "/index/co/re/core", "/api/v1/crates/core/1.0.0/download"
	// Nobody has saved the crate from upstream yet: only who is authorised sees it, and a download saves it for all.
	got := []int{read(index, ""), read(file, ""), read(index, "Bearer reader"), read(index, ""), read(file, "Bearer reader"), read(index, ""), read(file, "")}
	if diff := cmp.Diff([]int{401, 401, 200, 401, 200, 200, 200}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if a := g.get(t, file); a.body != string(crate) {
		t.Errorf("download: %d bytes", len(a.body))
	}
	// What was published to the feed itself is everybody's, also where more of the crate lies upstream.
	above.publish(t, "good", pack(t, "both", "1.0.0", complete))
	if a := g.publish(t, "Bearer good", pack(t, "both", "1.1.0", complete)); a.status != http.StatusOK {
		t.Errorf("publish above upstream: %+v", a)
	}
	if got := numbers(t, g.get(t, "/index/bo/th/both")); got != "1.0.0 1.1.0" {
		t.Errorf("index of both: %s", got)
	}
	if n := above.Requests()["index"]; n != 2 {
		t.Errorf("upstream was asked %d times for the index, want once per crate", n)
	}
	if status := read("/index/no/ne/none", "Bearer reader"); status != 404 {
		t.Errorf("absent upstream: %d", status)
	}
	down := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusServiceUnavailable) }))
	broken := newRegistry(t, Config{Manners: CratesIO, Upstream: Upstream{Index: "http://registry.example/index/", HTTP: down}})
	if a := broken.get(t, index); a.status != http.StatusBadGateway || !strings.Contains(a.body, "503 Service Unavailable") {
		t.Errorf("upstream is down: %+v", a)
	}
	if a := broken.publish(t, "good", crate); a.status != http.StatusBadGateway {
		t.Errorf("publish while upstream is down: %+v", a)
	}
}

func TestOp(t *testing.T) {
	body := upload(t, pack(t, "lab-base", "1.0.0", complete))
	late := frame([]byte(`{"vers":"1.0.0","deps":[{"name":"other"}],"name":"late"}`), []byte("crate"))
	for _, test := range []struct {
		method, path string
		body         []byte
		want         string
	}{
		{"GET", "/index/config.json", nil, "config"},
		{"HEAD", "/index/3/a/abc", nil, "index abc"},
		{"PUT", "/api/v1/crates/new", body, "publish lab-base"},
		{"PUT", "/api/v1/crates/new", late, "publish late"},
		{"PUT", "/api/v1/crates/new", []byte("xx"), "publish"},
		{"PUT", "/api/v1/crates/new", frame([]byte(`[1]`), nil), "publish"},
		{"GET", "/api/v1/crates/core/1.0.0/download", nil, "download core"},
		{"DELETE", "/api/v1/crates/core/1.0.0/yank", nil, "yank core"},
		{"PUT", "/api/v1/crates/core/1.0.0/unyank", nil, "unyank core"},
		{"GET", "/api/v1/crates/core/owners", nil, "owners core"},
		{"GET", "/api/v1/crates/core", nil, "crate core"},
		{"GET", "/api/v1/crates?q=x", nil, "search"},
		{"POST", "/api/v1/crates/new", body, "unknown"},
		{"GET", "/me", nil, "unknown"},
	} {
		r, err := http.NewRequest(test.method, "http://registry.example"+test.path, bytes.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if got := Op(r); got != test.want {
			t.Errorf("%s %s: %q, want %q", test.method, test.path, got, test.want)
		}
		if left, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(left, test.body) {
			t.Errorf("%s %s: the body afterwards has %d bytes, want %d (%v)", test.method, test.path, len(left), len(test.body), err)
		}
	}
}

func TestMountedBelowPrefix(t *testing.T) {
	g := newRegistry(t, Config{})
	g.client = serve(t, http.StripPrefix("/registries/feed", g.Handler()))
	if a := g.get(t, "/registries/feed/index/config.json"); !strings.Contains(a.body, `"api":"http://registry.example/registries/feed"`) {
		t.Errorf("config.json: %s", a.body)
	}
}

// BenchmarkRelease uploads nine small crates and reads each one's index file before and after.
func BenchmarkRelease(b *testing.B) {
	cache := &Cache{}
	var uploads [][]byte
	names := strings.Split("abcdefghi", "")
	for _, name := range names {
		uploads = append(uploads, upload(b, pack(b, name, "1.0.0", complete)))
	}
	for b.Loop() {
		g := newRegistry(b, Config{Manners: CratesIO, Cache: cache})
		for i, name := range names {
			g.get(b, "/index/1/"+name)
			if a := g.do(b, http.MethodPut, "/api/v1/crates/new", "good", bytes.NewReader(uploads[i])); a.status != 200 {
				b.Fatal(a)
			}
			g.get(b, "/index/1/"+name)
		}
	}
}
