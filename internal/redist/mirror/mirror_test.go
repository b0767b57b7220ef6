package mirror

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/rehearsal/fault"
	"github.com/tagboat/tagboat/internal/rehearsal/memnet"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

// pack makes a .crate whose manifest has further lines.
func pack(t *testing.T, name, lines string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, f := range [][2]string{
		{"Cargo.toml", fmt.Sprintf("[package]\nname = %q\nversion = \"1.0.0\"\nedition = \"2021\"\ndescription = \"d\"\nlicense = \"MIT OR Apache-2.0\"\n%s", name, lines)},
		{"src/lib.rs", "// " + name + "\n"},
	} {
		h := &tar.Header{Name: name + "-1.0.0/" + f[0], Mode: 0o644, Size: int64(len(f[1])), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(archive, f[1])
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// scene is two registries in memory, under the virtual clock.
type scene struct {
	source, target *registrytwin.Twin
	net            *memnet.Network
	faults         *fault.Set
	before         func(service string, r *http.Request) // called with every request; may be nil
	lock           string
	crates         []string
	scratch        string
	rules          config.ThirdParty
}

// stage makes a source with crates in levels, each depending on the one before it in its column, and a lock file that
// takes them all from crates.io.
func stage(t *testing.T, columns, levels int, target registrytwin.Config, faults ...string) *scene {
	s := &scene{net: memnet.New(), lock: "version = 4\n", scratch: t.TempDir()}
	folder := t.TempDir()
	for c := range columns {
		for l := range levels {
			name, lines, needs := fmt.Sprintf("c%d-l%d", c, l), "", ""
			if l > 0 {
				before := fmt.Sprintf("c%d-l%d", c, l-1)
				lines, needs = fmt.Sprintf("[dependencies]\n%s = \"1\"\n", before), fmt.Sprintf("dependencies = [%q]\n", before)
			}
			content := pack(t, name, lines)
			if err := os.WriteFile(filepath.Join(folder, name+"-1.0.0.crate"), content, 0o644); err != nil {
				t.Fatal(err)
			}
			crate, err := registry.ReadCrate(content)
			if err != nil {
				t.Fatal(err)
			}
			s.lock += locked(name, crate.SHA256) + needs
			s.crates = append(s.crates, name)
		}
	}
	var specs []fault.Spec
	for _, line := range faults {
		spec, err := fault.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		specs = append(specs, spec)
	}
	s.faults = fault.NewSet(specs...)
	target.Tokens = []registrytwin.Token{{Label: "us", Value: secret.New("token"), Scope: registrytwin.Publish}}
	s.source = registrytwin.New(registrytwin.Config{URL: "http://source.test", Tokens: target.Tokens, Upstream: registrytwin.Upstream{Folders: []string{folder}}})
	target.URL = "http://target.test"
	s.target = registrytwin.New(target)
	for name, twin := range map[string]*registrytwin.Twin{"source": s.source, "target": s.target} {
		h := s.faults.Wrap(name, registrytwin.Op, twin.Handler())
		s.net.Serve(name+".test", &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s.before != nil {
				s.before(name, r)
			}
			h.ServeHTTP(w, r)
		})})
	}
	t.Cleanup(s.net.Close)
	return s
}

// locked is a package of a lock file, as its last lines may go on.
func locked(name, sum string) string {
	return fmt.Sprintf("\n[[package]]\nname = %q\nversion = \"1.0.0\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = %q\n", name, sum)
}

func (s *scene) world(t *testing.T) World {
	t.Helper()
	dir, err := os.MkdirTemp(s.scratch, "")
	if err != nil {
		t.Fatal(err)
	}
	w := World{CratesIO: true, TokenVariable: "CARGO_REGISTRIES_TARGET_TOKEN", Scratch: dir, MaxWait: 30 * time.Minute, Rules: s.rules}
	client := func(name string) *registry.Client {
		r, err := registry.New(name, "sparse+http://"+name+".test/index/")
		if err != nil {
			t.Fatal(err)
		}
		r.Mirror = true
		return registry.NewClient(r, registry.Options{HTTP: &http.Client{Transport: &http.Transport{DialContext: s.net.DialNamed, DisableKeepAlives: true}},
			Token: func(context.Context) (secret.Value, error) { return secret.New("token"), nil }})
	}
	w.Source, w.Target = client("source"), client("target")
	return w
}

func (s *scene) move(t *testing.T, o Options) (*redist.Report, error) {
	t.Helper()
	o.Attempts = 8
	return Move(t.Context(), s.world(t), Request{Locks: []Lock{{Name: "Cargo.lock", Text: []byte(s.lock)}}}, o)
}

// whole fails unless the target took every crate exactly once, with the bytes of the lock file.
func (s *scene) whole(t *testing.T, r *redist.Report, err error) {
	t.Helper()
	if err != nil || r.Outcome != release.Redistributed {
		t.Fatalf("outcome %s, %v, %+v", r.Outcome, err, r.Problems)
	}
	var got []string
	for _, u := range s.target.Accepted() {
		got = append(got, u.Name)
		if !strings.Contains(s.lock, u.SHA256) {
			t.Errorf("%s has other bytes than the lock file says", u.Name)
		}
	}
	slices.Sort(got)
	want := slices.Clone(s.crates)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("accepted uploads, -want +got:\n%s", diff)
	}
	for _, m := range r.Redist[0].Crates {
		if m.State != redist.Moved && m.State != redist.There {
			t.Errorf("%s is %s", m.Name, m.State)
		}
	}
}

// Many crates are on their way at the same time, downloads beside uploads; a second run writes nothing.
func TestMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t, 40, 2, registrytwin.Config{Manners: registrytwin.Lenient})
		var flying, most, uploads, both atomic.Int64
		s.before = func(service string, r *http.Request) {
			n := flying.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			switch op := registrytwin.Op(r); {
			case strings.HasPrefix(op, "publish"):
				uploads.Add(1)
				defer uploads.Add(-1)
			case strings.HasPrefix(op, "download") && uploads.Load() > 0:
				both.Add(1)
			}
			time.Sleep(50 * time.Millisecond)
			flying.Add(-1)
		}
		began := time.Now()
		r, err := s.move(t, Options{})
		s.whole(t, r, err)
		took := time.Since(began)
		if most.Load() < 16 {
			t.Errorf("at most %d requests were under way, want 16 or more", most.Load())
		}
		if both.Load() == 0 {
			t.Error("no download went beside an upload")
		}
		if took > 3*time.Second {
			t.Errorf("80 crates took %s at 50 ms a request", took)
		}
		before := s.target.Requests()
		r, err = s.move(t, Options{})
		s.whole(t, r, err)
		after := s.target.Requests()
		if after["publish"] != before["publish"] || s.source.Requests()["download"] != 80 {
			t.Errorf("the second run moved something: %v, then %v", before, after)
		}
	})
}

// What needs another crate is published after the index shows that one, where the registry may look.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t, 3, 4, registrytwin.Config{Manners: registrytwin.Lenient, Lag: 2 * time.Second})
		r, err := s.move(t, Options{})
		s.whole(t, r, err)
		at := map[string]time.Time{}
		for _, u := range s.target.Accepted() {
			at[u.Name] = u.At
		}
		for c := range 3 {
			for l := 1; l < 4; l++ {
				if gap := at[fmt.Sprintf("c%d-l%d", c, l)].Sub(at[fmt.Sprintf("c%d-l%d", c, l-1)]); gap < 2*time.Second {
					t.Errorf("column %d, level %d went %s after what it needs, before the index showed that", c, l, gap)
				}
			}
		}
	})
}

type killed struct{}

func (killed) Error() string  { return "killed" }
func (killed) StopsAll() bool { return true }

// Each step in turn ends the process, before or after its effect; the next run finishes, and no crate is taken twice.
func TestKilledAtEachStep(t *testing.T) {
	var mu sync.Mutex
	var keys []string
	stage := func(t *testing.T) *scene {
		s := stage(t, 2, 2, registrytwin.Config{Manners: registrytwin.Lenient})
		s.rules.Licenses = []string{"MIT"}
		crate, err := registry.ReadCrate(pack(t, "old", ""))
		source := s.world(t).Source
		if err == nil {
			_, err = source.Publish(t.Context(), crate)
		}
		if err == nil {
			err = source.Yank(t.Context(), "old", "1.0.0")
		}
		if err != nil {
			t.Fatal(err)
		}
		s.lock += locked("old", crate.SHA256)
		s.crates = append(s.crates, "old")
		return s
	}
	synctest.Test(t, func(t *testing.T) {
		s := stage(t)
		_, err := s.move(t, Options{Between: func(key string, after bool) error {
			mu.Lock()
			defer mu.Unlock()
			keys = append(keys, fmt.Sprint(key, " ", after))
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	})
	if len(keys) != 2*(5*3+2) { // five crates are fetched, published and confirmed, one is yanked, all are judged at once
		t.Fatalf("%d moments, want 34: %q", len(keys), keys)
	}
	for _, at := range keys {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := stage(t)
				var dead atomic.Bool
				_, err := s.move(t, Options{Between: func(key string, after bool) error {
					if dead.Load() || fmt.Sprint(key, " ", after) == at {
						dead.Store(true)
						return killed{}
					}
					return nil
				}})
				if !errors.As(err, &killed{}) {
					t.Fatalf("the first run was to be killed: %v", err)
				}
				r, err := s.move(t, Options{})
				s.whole(t, r, err)
				entries, err := s.world(t).Target.Lookup(t.Context(), "old")
				if e, ok := registry.Find(entries, "1.0.0"); err != nil || !ok || !e.Yanked {
					t.Errorf("old is not yanked: %+v, %v", e, err)
				}
			})
		})
	}
}

// Registries stumble; each crate is taken once all the same.
func TestFaults(t *testing.T) {
	for _, lines := range [][]string{
		{"source download c0-l0 #1: refuse 503", "source download c1-l1 #1: drop"},
		{"source index c0-l0 #1: refuse 502", "target index c1-l0 #1: drop"},
		{"target publish c0-l0 #1: accept-then 500"},
		{"target publish c0-l0 #1: accept-then drop", "target publish c1-l0 #1: drop"},
		{"target publish c0-l1 #1: refuse 429 retry-after 60s"},
		{"source download c0-l1 #1: refuse 429 retry-after 60s"},
		{"source index c0-l1 #1: refuse 429 retry-after 10s", "target index c1-l1 #1: refuse 429 retry-after 10s"},
		{"target publish c0-l1 #1: accept-then 502", "target index c0-l1 #2: refuse 500"},
		{"target index c0-l0 #3: refuse 500", "target config #1: refuse 503"},
	} {
		t.Run(strings.Join(lines, ", "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := stage(t, 2, 2, registrytwin.Config{Manners: registrytwin.Lenient, Lag: time.Second}, lines...)
				r, err := s.move(t, Options{})
				s.whole(t, r, err)
				if left := s.faults.Unfired(); len(left) > 0 && !strings.Contains(left[0], "#3") {
					t.Errorf("never happened: %q", left)
				}
			})
		})
	}
}

// A limit of either side that lasts longer than the run may wait ends it as waiting, with the time.
func TestRateLimit(t *testing.T) {
	for _, at := range []string{"target publish c0-l0", "source download c0-l0", "source index c0-l0", "target index c1-l0", "source config", "target config"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := stage(t, 2, 1, registrytwin.Config{Manners: registrytwin.Lenient}, at+" #1: refuse 429 retry-after 5h")
				began := time.Now()
				r, err := s.move(t, Options{})
				if r.Outcome != release.Waiting || r.Until == nil || r.Until.Sub(began) < 5*time.Hour-time.Minute || r.ExitCode() != 3 || time.Since(began) > time.Hour {
					t.Errorf("outcome %s until %v after %s: %v, %+v", r.Outcome, r.Until, time.Since(began), err, r.Problems)
				}
				r, err = s.move(t, Options{})
				s.whole(t, r, err)
			})
		})
	}
}

// archive is a .crate of these files, each as given, whatever it may be called.
func archive(t *testing.T, files ...[2]string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, f[1])
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bomb is a small .crate that unpacks to more than one may have.
func bomb(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err == nil {
		err = tar.NewWriter(zip).WriteHeader(&tar.Header{Name: "c0-l0-1.0.0/x", Mode: 0o644, Size: 520 << 20, Typeflag: tar.TypeReg})
	}
	for range 521 {
		if err == nil {
			_, err = zip.Write(make([]byte, 1<<20))
		}
	}
	if err = errors.Join(err, zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A source whose index or files are not what they should be stops the run, and nothing of it is uploaded.
func TestSourceLies(t *testing.T) {
	line := func(name, sum string) string {
		return fmt.Sprintf(`{"name":%q,"vers":"1.0.0","deps":[],"cksum":%q,"features":{},"yanked":false}`+"\n", name, sum)
	}
	good := [2]string{"c0-l0-1.0.0/Cargo.toml", "[package]\nname = \"c0-l0\"\nversion = \"1.0.0\"\n"}
	other := [2]string{"other-1.0.0/Cargo.toml", "[package]\nname = \"other\"\nversion = \"1.0.0\"\n"}
	for name, c := range map[string]struct {
		index func(sum string) string // nil is an index that tells the truth of the file
		file  []byte
		want  string
	}{
		"other bytes":     {func(string) string { return line("c0-l0", strings.Repeat("a", 64)) }, archive(t, good), "the index says"},
		"another crate":   {nil, archive(t, other), "c0-l0 1.0.0"},
		"out of the tree": {nil, archive(t, good, [2]string{"c0-l0-1.0.0/../../.ssh/authorized_keys", "x"}), "clean relative path"},
		"no archive":      {nil, []byte("nothing that unpacks"), "gzip"},
		"a bomb":          {nil, bomb(t), "more than 536870912 bytes"},
		"another name":    {func(sum string) string { return line("other", sum) }, archive(t, good), `crate "other"`},
		"no checksum":     {func(string) string { return line("c0-l0", "00") }, archive(t, good), "no sha256"},
		"no JSON":         {func(string) string { return "<html>" }, archive(t, good), "index of c0-l0"},
		"too much":        {func(sum string) string { return strings.Repeat(" ", 64<<20) + line("c0-l0", sum) }, archive(t, good), "67108864 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := stage(t, 1, 1, registrytwin.Config{Manners: registrytwin.Lenient})
				s.net.Serve("liar.test", &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch sum := sha256.Sum256(c.file); {
					case strings.HasSuffix(r.URL.Path, "/download"):
						w.Write(c.file)
					case strings.HasSuffix(r.URL.Path, "config.json"):
						io.WriteString(w, `{"dl":"http://liar.test/api/v1/crates","api":"http://liar.test"}`)
					case c.index != nil:
						io.WriteString(w, c.index(hex.EncodeToString(sum[:])))
					default:
						io.WriteString(w, line("c0-l0", hex.EncodeToString(sum[:])))
					}
				})})
				w := s.world(t)
				r, err := registry.New("source", "sparse+http://liar.test/index/")
				if err != nil {
					t.Fatal(err)
				}
				w.Source = registry.NewClient(r, registry.Options{HTTP: &http.Client{Transport: &http.Transport{DialContext: s.net.DialNamed, DisableKeepAlives: true}}})
				got, _ := Move(t.Context(), w, Request{Crates: []string{"c0-l0@1.0.0"}}, Options{Attempts: 1})
				if got.Outcome != release.Stopped && got.Outcome != release.Failed || len(got.Problems) != 1 || len(s.target.Accepted()) != 0 || !strings.Contains(fmt.Sprint(got.Problems[0]), c.want) || got.Problems[0].Hint == "" {
					t.Errorf("outcome %s: %+v, want %s", got.Outcome, got.Problems, c.want)
				}
			})
		})
	}
}

// Somebody publishes other bytes under the same version while the run is under way: both sums, and a stop.
func TestOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t, 1, 1, registrytwin.Config{Manners: registrytwin.Lenient})
		w := s.world(t)
		var once sync.Once
		got, _ := Move(t.Context(), w, Request{Crates: []string{"c0-l0@1.0.0"}}, Options{Between: func(key string, after bool) error {
			if after {
				return nil
			}
			var err error
			once.Do(func() {
				crate, e := registry.ReadCrate(pack(t, "c0-l0", "[features]\nother = []\n"))
				if err = e; err == nil {
					_, err = w.Target.Publish(t.Context(), crate)
				}
			})
			return err
		}})
		if got.Outcome != release.Stopped || !strings.Contains(got.Problems[0].Summary, "target has c0-l0 1.0.0 with other bytes") {
			t.Errorf("outcome %s: %+v", got.Outcome, got.Problems)
		}
	})
}

// Licences are read before anything moves, also in a dry run.
func TestLicences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t, 2, 2, registrytwin.Config{Manners: registrytwin.Lenient})
		for _, c := range []struct {
			rules config.ThirdParty
			dry   bool
			want  string
		}{
			{config.ThirdParty{Licenses: []string{"Zlib"}}, false, release.Stopped},
			{config.ThirdParty{Licenses: []string{"Zlib"}}, true, release.Stopped},
			{config.ThirdParty{Licenses: []string{"MIT"}}, true, release.Planned},
			{config.ThirdParty{Licenses: []string{"MIT"}}, false, release.Redistributed},
		} {
			w := s.world(t)
			w.Rules = c.rules
			r, _ := Move(t.Context(), w, Request{Locks: []Lock{{Name: "Cargo.lock", Text: []byte(s.lock)}}, DryRun: c.dry}, Options{})
			if r.Outcome != c.want {
				t.Errorf("%+v: %s, want %s: %+v", c, r.Outcome, c.want, r.Problems)
			}
			if n := len(s.target.Accepted()); (n > 0) != (c.want == release.Redistributed) {
				t.Errorf("%+v: %d uploads", c, n)
			}
		}
	})
}

// A registry that refuses a crate by name stops the run; the others have moved.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t, 3, 1, registrytwin.Config{Manners: registrytwin.Lenient}, "target publish c1-l0 every: refuse 422")
		var events []converge.Event
		r, _ := s.move(t, Options{Planned: func(redist.Snapshot, redist.Plan) func(converge.Event) {
			return func(e converge.Event) { events = append(events, e) }
		}})
		if r.Outcome != release.Stopped || !strings.Contains(r.Problems[0].Summary, "registry target refused c1-l0 1.0.0") || len(s.target.Accepted()) != 2 || len(events) == 0 {
			t.Errorf("outcome %s, %d uploads, %d events: %+v", r.Outcome, len(s.target.Accepted()), len(events), r.Problems)
		}
	})
}

// cargo-deny is asked about exactly what would move, as crates of crates.io where they are that, and about nothing where
// nothing would; what it denies stops, and so does a cargo-deny that cannot be asked.
func TestDeny(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stage(t, 2, 2, registrytwin.Config{Manners: registrytwin.Lenient})
		s.lock += "\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\"c0-l1\", \"c1-l1\"]\n"
		var asked []string
		var answer []redist.Advisory
		var broken error
		ask := func(_ context.Context, source string, crates []redist.Crate) ([]redist.Advisory, error) {
			for _, c := range crates {
				asked = append(asked, fmt.Sprintf("%s %v", c.Key(), c.Direct))
			}
			slices.Sort(asked)
			asked = append(asked, source)
			return answer, broken
		}
		move := func(w World, req Request) (*redist.Report, error) {
			t.Helper()
			asked = nil
			w.Rules.Advisories, w.Deny = config.CargoDeny, ask
			return Move(t.Context(), w, req, Options{})
		}
		all := Request{Locks: []Lock{{Name: "Cargo.lock", Text: []byte(s.lock)}}}
		one := Request{Crates: []string{"c0-l0@1.0.0"}}

		broken = errors.New("broken")
		if _, err := move(s.world(t), all); !errors.Is(err, broken) {
			t.Errorf("moved unasked: %v", err)
		}
		broken = nil
		answer = []redist.Advisory{{ID: "X", Package: "c0-l0", Denied: "1.0.0"}}
		if r, err := move(s.world(t), one); r.Outcome != release.Stopped || len(s.target.Accepted()) > 0 {
			t.Errorf("moved what is denied: %s, %v", r.Outcome, err)
		}
		if diff := cmp.Diff([]string{"c0-l0@1.0.0 true", "registry+https://github.com/rust-lang/crates.io-index"}, asked); diff != "" {
			t.Errorf("asked, -want +got:\n%s", diff)
		}
		answer = nil
		w := s.world(t)
		w.CratesIO = false
		if r, err := move(w, one); err != nil || r.Outcome != release.Redistributed || asked[1] != "sparse+http://source.test/index/" {
			t.Errorf("from a feed: %s, %v, asked %q", r.Outcome, err, asked)
		}
		r, err := move(s.world(t), all)
		s.whole(t, r, err)
		if diff := cmp.Diff([]string{"c0-l1@1.0.0 true", "c1-l0@1.0.0 false", "c1-l1@1.0.0 true", "registry+https://github.com/rust-lang/crates.io-index"}, asked); diff != "" {
			t.Errorf("asked, -want +got:\n%s", diff)
		}
		if r, err := move(s.world(t), all); err != nil || asked != nil {
			t.Errorf("asked about what is there: %q, %s, %v", asked, r.Outcome, err)
		}
	})
}
