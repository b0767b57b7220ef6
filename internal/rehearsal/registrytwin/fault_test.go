package registrytwin

import (
	"bytes"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/rehearsal/fault"
)

// TestFaults shows that a lost answer is lost after the upload was really accepted, and a refusal before it.
func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var specs []fault.Spec
		for _, text := range []string{
			"crates-io publish lost: accept-then drop", "publish wrong: accept-then 500", "publish refused: refuse 503",
			"publish dead: die", "publish late: die-after", "index slow: lag 30s", "crates-io index slow #2: refuse 404",
		} {
			spec, err := fault.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			specs = append(specs, spec)
		}
		set := fault.NewSet(specs...)
		g := newRegistry(t, Config{Manners: CratesIO, LagOf: func(crate string) time.Duration { return set.Lag("crates-io", crate) }})
		deaths := 0
		set.OnDie = func() { deaths++ }
		g.client = serve(t, set.Wrap("crates-io", Op, g.Handler()))

		status := map[string]int{}
		for _, name := range []string{"lost", "wrong", "refused", "dead", "late", "slow"} {
			body := upload(t, pack(t, name, "1.0.0", complete))
			req, err := http.NewRequest(http.MethodPut, "http://registry.example/api/v1/crates/new", bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "good")
			if resp, err := g.client.Do(req); err == nil {
				status[name] = resp.StatusCode
				resp.Body.Close()
			}
		}
		if diff := cmp.Diff(map[string]int{"wrong": 500, "refused": 503, "slow": 200}, status); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
		var accepted []string
		for _, u := range g.Accepted() {
			accepted = append(accepted, u.Name)
		}
		if diff := cmp.Diff([]string{"lost", "wrong", "late", "slow"}, accepted); diff != "" {
			t.Errorf("accepted (-want +got):\n%s", diff)
		}
		if deaths != 2 {
			t.Errorf("died %d times, want 2", deaths)
		}
		time.Sleep(29 * time.Second)
		before, refused := g.get(t, "/index/sl/ow/slow").status, g.get(t, "/index/sl/ow/slow").status
		time.Sleep(time.Second)
		if after := g.get(t, "/index/sl/ow/slow").status; before != 404 || refused != 404 || after != 200 {
			t.Errorf("the index answers %d, %d, %d, want 404, 404, 200", before, refused, after)
		}
		if left := set.Unfired(); left != nil {
			t.Errorf("unfired: %v", left)
		}
	})
}

// FuzzUpload feeds arbitrary uploads, and arbitrary archives in well-formed ones, to a twin with each kind of manners.
func FuzzUpload(f *testing.F) {
	crate := pack(f, "core", "1.0.0", complete)
	f.Add(upload(f, crate))
	f.Add(crate)
	f.Add([]byte("\x02\x00\x00\x00{}\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, manners := range []Manners{CratesIO, Lenient, Azure} {
			g := newRegistry(t, Config{Manners: manners, MaxSize: 1 << 20})
			for _, b := range [][]byte{body, frame([]byte(`{"name":"core","vers":"1.0.0"}`), body)} {
				a := g.do(t, http.MethodPut, "/api/v1/crates/new", "Bearer good", bytes.NewReader(b))
				if a.status == http.StatusInternalServerError {
					t.Errorf("%s: %+v", manners, a)
				}
				if a.status == http.StatusOK && len(g.Accepted()) == 0 {
					t.Errorf("%s says yes and accepts nothing", manners)
				}
			}
		}
	})
}
