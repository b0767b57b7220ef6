package tree

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// room is a part of the tree with what it may import of the others. A path that ends in /... takes in what is below it,
// and the folder itself.
type room struct {
	packages string
	may      []string
	why      string
}

var leaves = []string{"internal/problem/...", "internal/secret", "internal/semver", "internal/changelog", "internal/config"}

var adapters = []string{"internal/cargo/...", "internal/registry/...", "internal/forge/...", "internal/git/...", "internal/credential"}

// rooms is the direction of imports, edges first: edge, line of business, adapter, leaf. The first room that takes a
// package in decides; docs/architecture.md explains it.
var rooms = []room{
	{"cmd/tagboat", []string{"internal/action", "internal/cli", "internal/cargo/zone"}, "main only starts an edge, or becomes a child of the build zone"},
	{"internal/action", join(leaves, []string{"internal/cli", "internal/release", "internal/render/...", "internal/forge", "internal/notice"}), "a step chooses a command line and tells what its report says"},
	{"internal/cli/depot", join(leaves, adapters, []string{"internal/release/...", "internal/redist/...", "internal/notice", "internal/render/...", "internal/converge"}), "what people ask of tagboat redist"},
	{"internal/cli/prepare", join(leaves, adapters, []string{"internal/bump/...", "internal/notice", "internal/release/...", "internal/render/...", "internal/converge"}), "a part of the command line, about what comes before a tag"},
	{"internal/cli/manual", []string{"internal/cli/access", "internal/credential", "internal/problem/...", "internal/release", "internal/release/handover"}, "the reference is made from the commands, by names that documents have"},
	{"internal/cli/keys", []string{"internal/cargo/manifest", "internal/config", "internal/git", "internal/registry/kind", "internal/release", "internal/release/observe", "internal/render", "internal/secret"}, "what is in the environment is found without asking anybody"},
	{"internal/cli/screen", []string{"internal/release", "internal/render/...", "internal/converge"}, "what is drawn was decided elsewhere"},
	{"internal/cli", join(leaves, adapters, []string{"internal/cli/...", "internal/release/...", "internal/rehearsal/...", "internal/render/...", "internal/converge", "internal/care", "internal/redist/..."}), "an edge wires; no other edge is below it"},
	{"internal/cli/prompt", nil, "people are asked without knowing what for"},
	{"internal/cli/custody", join(leaves, []string{"internal/cli/prompt", "internal/care", "internal/notice", "internal/forge", "internal/registry/...", "internal/release", "internal/render/..."}), "a part of the command line, about tokens alone"},
	{"internal/cli/access", []string{"internal/cli/prompt", "internal/cargo/...", "internal/config", "internal/credential", "internal/problem", "internal/registry/...", "internal/render/...", "internal/secret"}, "access to registries knows nothing of releases"},
	{"internal/render/plain", nil, "text of unknown origin is made safe without knowing whose it is"},
	{"internal/render/progress", []string{"internal/render/plain", "internal/converge"}, "what is going on is drawn from the engine's events"},
	{"internal/render/bumped", []string{"internal/render", "internal/render/plain", "internal/release"}, "sentences are made from data alone"},
	{"internal/render/hauled", []string{"internal/render", "internal/render/plain", "internal/release", "internal/redist"}, "sentences are made from data alone"},
	{"internal/render/...", []string{"internal/render/plain", "internal/release", "internal/converge", "internal/config", "internal/problem"}, "sentences are made from data alone"},
	{"internal/release", []string{"internal/converge", "internal/config", "internal/problem", "internal/secret", "internal/semver"}, "a plan is made from data alone"},
	{"internal/release/reltest", join(leaves, adapters, []string{"internal/release/...", "internal/rehearsal/...", "internal/converge"}), "for tests"},
	{"internal/release/artifact", []string{"internal/release", "internal/config", "internal/problem"}, "artifacts are local files"},
	{"internal/release/dispatch", []string{"internal/converge", "internal/forge", "internal/problem"}, "a workflow is started and followed, whatever it builds"},
	{"internal/release/draft", []string{"internal/release/observe", "internal/converge", "internal/forge", "internal/problem"}, "a draft is filled with files, whatever they are"},
	{"internal/release/ship", join(leaves, []string{"internal/release", "internal/release/observe", "internal/release/artifact", "internal/release/dispatch", "internal/release/draft", "internal/converge", "internal/forge", "internal/registry", "internal/registry/kind", "internal/cargo/pack"}), "the ship zone starts no program: of cargo it knows what packaging hands over"},
	{"internal/release/handover", []string{"internal/release", "internal/release/observe", "internal/registry", "internal/registry/cratefile", "internal/problem"}, "packages are handed over as files, whatever they are compared with"},
	{"internal/release/commit", join(leaves, []string{"internal/release", "internal/release/observe", "internal/release/handover", "internal/release/source", "internal/forge", "internal/registry/cratefile", "internal/cargo", "internal/cargo/manifest", "internal/cargo/outline", "internal/cargo/pack"}), "a commit is read over the API: no git, no build zone"},
	{"internal/release/...", join(leaves, adapters, []string{"internal/release/...", "internal/converge"}), "a line of business uses adapters and knows no edge"},
	{"internal/care", join(leaves, []string{"internal/forge", "internal/registry", "internal/release", "internal/notice"}), "a token is watched and renewed, whatever is released with it"},
	{"internal/notice", []string{"internal/forge"}, "one text is kept current, whatever it says"},
	{"internal/bump", join(leaves, []string{"internal/release"}), "what a bump changes is decided from data alone; tags and branches are those of a release"},
	{"internal/bump/...", join(leaves, adapters, []string{"internal/bump/...", "internal/converge"}), "a line of business uses adapters and knows no edge"},
	{"internal/redist", []string{"internal/release", "internal/converge", "internal/config", "internal/problem", "internal/semver"}, "a plan is made from data alone; a redistribution reports as a release does"},
	{"internal/redist/...", join(leaves, adapters, []string{"internal/redist/...", "internal/release/...", "internal/converge"}), "a line of business uses adapters and knows no edge"},
	{"internal/converge", []string{"internal/problem"}, "the engine knows nothing of releases"},
	{"internal/cargo/...", []string{"internal/cargo/...", "internal/git", "internal/problem", "internal/secret", "internal/semver"}, "an adapter has no policy"},
	{"internal/registry/...", []string{"internal/registry/...", "internal/problem", "internal/secret", "internal/semver"}, "an adapter has no policy"},
	{"internal/credential", []string{"internal/cargo/...", "internal/config", "internal/problem", "internal/secret"}, "an adapter to the cargo that asks"},
	{"internal/forge/...", []string{"internal/forge/...", "internal/problem", "internal/secret"}, "an adapter has no policy"},
	{"internal/git/...", []string{"internal/git/...", "internal/problem", "internal/secret"}, "an adapter has no policy"},
	{"internal/rehearsal/storm", []string{"internal/rehearsal/..."}, "a storm counts trials"},
	{"internal/rehearsal/trial", join(leaves, adapters, []string{"internal/rehearsal/...", "internal/release/...", "internal/converge"}), "a trial is the pipeline on the twins"},
	{"internal/rehearsal/scene", []string{"internal/config", "internal/registry", "internal/release", "internal/rehearsal/fault"}, "what a storm is like is decided beforehand"},
	{"internal/rehearsal/world", []string{"internal/registry", "internal/release", "internal/rehearsal/...", "internal/secret"}, "what a release finds outside holds its promises by itself"},
	{"internal/rehearsal/lie", []string{"internal/release", "internal/rehearsal/fault", "internal/rehearsal/scene", "internal/rehearsal/world"}, "a lie knows what is true"},
	{"internal/rehearsal", join(leaves, adapters, []string{"internal/rehearsal/...", "internal/release/...", "internal/converge"}), "a rehearsal is the pipeline on the twins"},
	{"internal/rehearsal/...", []string{"internal/rehearsal/...", "internal/registry/cratefile", "internal/problem", "internal/secret", "internal/semver"}, "a twin shares no code with the client that is tried on it, but the reading of .crate files"},
	{"internal/config/...", []string{"internal/config/...", "internal/problem"}, "a leaf"},
	{"internal/problem", nil, "a leaf"},
	{"internal/problem/disk", []string{"internal/problem"}, "a leaf"},
	{"internal/secret", nil, "a leaf"},
	{"internal/semver", nil, "a leaf"},
	{"internal/changelog", nil, "a leaf"},
	{"internal/acceptance/outside", join(leaves, adapters, []string{"internal/rehearsal/...", "internal/release"}), "an outside world for tests"},
	{"internal/acceptance/cargodeny", []string{"internal/redist"}, "a program of others, for tests; it reads advisories as we do"},
	{"internal/acceptance/golden", nil, "for tests, without our own code"},
	{"internal/acceptance/debian", nil, "real crates for tests, without our own code"},
	{"internal/acceptance", nil, "tests only"},
	{"internal/bench", nil, "tests only"},
	{"internal/container", nil, "tests only"},
	{"internal/contract", nil, "tests only"},
	{"internal/gitea", nil, "tests only"},
	{"internal/tree", nil, "tests only"},
}

func join(groups ...[]string) []string { return slices.Concat(groups...) }

func within(pattern, dir string) bool {
	below, many := strings.CutSuffix(pattern, "/...")
	return dir == below || many && strings.HasPrefix(dir, below+"/")
}

func roomOf(dir string) (room, bool) {
	i := slices.IndexFunc(rooms, func(r room) bool { return within(r.packages, dir) })
	if i < 0 {
		return room{}, false
	}
	return rooms[i], true
}

// wrong returns the import of a package that its room does not allow, "" where all are allowed.
func wrong(r room, imports []string) string {
	for _, i := range imports {
		if !strings.HasPrefix(i, "internal/") && !strings.HasPrefix(i, "cmd/") {
			continue
		}
		if !slices.ContainsFunc(r.may, func(pattern string) bool { return within(pattern, i) }) {
			return i
		}
	}
	return ""
}

// TestImportDirection holds the one-way rule for everything but tests.
func TestImportDirection(t *testing.T) {
	used, dirs := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		r, ok := roomOf(s.dir())
		if !ok {
			t.Errorf("%s is in no room: say in internal/tree and docs/architecture.md where it belongs", s.dir())
			continue
		}
		used[r.packages], dirs[s.dir()] = true, true
		if bad := wrong(r, s.imports()); bad != "" {
			t.Errorf("%s imports %s: %s", s.path, bad, r.why)
		}
	}
	tour := read(t, "docs/architecture.md")
	for dir := range dirs {
		if !regexp.MustCompile(`\b` + path.Base(dir) + `s?\b`).MatchString(tour) {
			t.Errorf("docs/architecture.md does not name %s", dir)
		}
	}
	for _, r := range rooms {
		if !used[r.packages] {
			t.Errorf("no package is in room %s", r.packages)
		}
	}
}

// TestImportRules tries the rule itself.
func TestImportRules(t *testing.T) {
	for _, c := range []struct{ dir, imports, want string }{
		{"internal/release", "internal/forge", "internal/forge"},
		{"internal/release", "internal/config", ""},
		{"internal/forge/wire", "internal/release", "internal/release"},
		{"internal/forge/wire", "internal/secret", ""},
		{"internal/release/ship", "internal/cargo/zone", "internal/cargo/zone"},
		{"internal/release/ship", "internal/git", "internal/git"},
		{"internal/rehearsal/githubtwin", "internal/forge", "internal/forge"},
		{"internal/config", "net/http", ""},
		{"internal/bump", "internal/forge", "internal/forge"},
	} {
		r, ok := roomOf(c.dir)
		if got := wrong(r, []string{c.imports}); !ok || got != c.want {
			t.Errorf("%s imports %s: got %q, want %q", c.dir, c.imports, got, c.want)
		}
	}
	if r, ok := roomOf("internal/util"); ok {
		t.Errorf("internal/util is in room %s", r.packages)
	}
}

// standard says which packages of the standard library, and of others, only some folders may import.
var standard = []struct {
	name string
	only []string
	why  string
}{
	{"os/exec", []string{"internal/git", "internal/cargo/cage", "internal/credential", "internal/rehearsal/gitstore", "internal/rehearsal/sample", "internal/rehearsal/openapi", "internal/acceptance/debian", "internal/acceptance/cargodeny"}, "programs are started in few places"},
	{"testing", []string{"internal/rehearsal/storm", "internal/release/reltest", "internal/acceptance/golden"}, "tests stay out of the binary; a storm needs the virtual clock of testing/synctest"},
	{"testing/synctest", []string{"internal/rehearsal/storm"}, "tests stay out of the binary"},
	{"net/http/httptest", []string{"internal/acceptance/outside", "internal/release/reltest"}, "tests stay out of the binary"},
	{"unsafe", []string{"internal/cargo/cage"}, "memory is the compiler's business"},
	{"math/rand", nil, "math/rand/v2 with a seed, or crypto/rand"},
	{"github.com/getkin/kin-openapi/openapi3", []string{"internal/rehearsal/openapi"}, "the description of GitHub's API is for tests"},
	{"github.com/google/go-github/v62/github", []string{"internal/forge/...", "internal/rehearsal/githubtwin"}, "GitHub's types end at the adapter"},
}

// TestImportPlaces holds where packages that mean power, or tests, may be imported.
func TestImportPlaces(t *testing.T) {
	tests, explained := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		for _, rule := range standard {
			if slices.Contains(s.imports(), rule.name) && !slices.ContainsFunc(rule.only, func(p string) bool { return within(p, s.dir()) }) {
				t.Errorf("%s imports %s: %s", s.path, rule.name, rule.why)
			}
		}
		if slices.Contains(s.imports(), "testing") {
			tests[s.dir()] = true
		}
		for _, g := range s.file.Comments {
			if strings.Contains(g.Text(), "testing") || strings.Contains(g.Text(), "tests") {
				explained[s.dir()] = true
			}
		}
	}
	for dir := range tests {
		if !explained[dir] {
			t.Errorf("%s imports testing and no comment says why", dir)
		}
	}
}

// pure are the packages whose result depends on nothing but their arguments.
var pure = []string{"internal/release", "internal/bump", "internal/redist", "internal/changelog", "internal/render/...", "internal/semver", "internal/problem"}

// TestPure holds that plans and prose come from data: no file, no network, no clock, no adapter, not by a detour either.
func TestPure(t *testing.T) {
	imports := map[string][]string{}
	for _, s := range sources(t) {
		if !s.test() {
			imports[s.dir()] = append(imports[s.dir()], s.imports()...)
		}
	}
	for _, s := range sources(t) {
		if s.test() || !slices.ContainsFunc(pure, func(p string) bool { return within(p, s.dir()) }) {
			continue
		}
		for _, name := range []string{"os", "net", "net/http", "os/exec", "syscall"} {
			if chain := reach(imports, s.dir(), name); chain != nil {
				t.Errorf("%s reaches %s: %s", s.path, name, strings.Join(chain, " -> "))
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker", "Tick"}, sel.Sel.Name) {
					t.Errorf("%s:%d: time.%s: the time is an argument here", s.path, s.line(n.Pos()), sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// reach returns how a package comes to import another, through packages of this module.
func reach(imports map[string][]string, from, to string) []string {
	via := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range imports[queue[0]] {
			if _, seen := via[next]; seen {
				continue
			}
			via[next] = queue[0]
			if next == to {
				var chain []string
				for at := next; at != ""; at = via[at] {
					chain = append([]string{at}, chain...)
				}
				return chain
			}
			if strings.HasPrefix(next, "internal/") {
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// TestBinary holds that what tests need is not in the program.
func TestBinary(t *testing.T) {
	imports := map[string][]string{}
	for _, s := range sources(t) {
		if !s.test() {
			imports[s.dir()] = append(imports[s.dir()], s.imports()...)
		}
	}
	for _, name := range []string{"internal/rehearsal/openapi", "internal/acceptance/debian", "internal/acceptance/outside", "internal/release/reltest", "net/http/httptest", "github.com/google/go-cmp/cmp"} {
		if chain := reach(imports, "cmd/tagboat", name); chain != nil {
			t.Errorf("the program holds %s: %s", path.Base(name), strings.Join(chain, " -> "))
		}
	}
}
