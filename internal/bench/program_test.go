//go:build bench

package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/rehearsal"
	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

// outside is a world that the program itself reaches, as a process of its own: an embedded GitHub, and a private
// registry whose address the workspace names.
type outside struct {
	repository string
	stage      *rehearsal.Stage
	feed       *registrytwin.Twin
}

const feedToken = "Bearer bench"

// newOutside stages a workspace that goes to a private registry, and serves both.
func newOutside(t *testing.T, g grid, delay time.Duration) *outside {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	o := &outside{feed: registrytwin.New(registrytwin.Config{
		Name: "feed", URL: url, Tokens: []registrytwin.Token{{Label: "bench", Value: secret.New(feedToken), Scope: registrytwin.Publish}},
	})}
	server := &http.Server{Handler: late(delay)(o.feed.Handler()), ReadHeaderTimeout: time.Minute}
	go server.Serve(l) // ends with Close
	t.Cleanup(func() { server.Close() })
	g.feed = "sparse+" + url + "/index/"
	o.repository = g.stage(t)
	o.stage = build(t, o.repository, 0, delay)
	return o
}

// command is the program with the credentials of this world.
func (o *outside) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := tagboat()
	if err != nil {
		t.Fatal(err)
	}
	at := []string{"-C", o.repository, "--json", "--repository", o.stage.Owner + "/" + o.stage.Name, "--api-url", o.stage.URL}
	cmd := exec.CommandContext(t.Context(), path, append(args, at...)...)
	cmd.Env = quiet("CARGO_REGISTRIES_FEED_TOKEN="+feedToken, "GITHUB_TOKEN=bench", "CI=1")
	return cmd
}

// outcome runs the program to its end and returns its report.
func outcome(t *testing.T, cmd *exec.Cmd, running func(pid int)) release.Report {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for running != nil {
			running(cmd.Process.Pid)
			select {
			case <-ended:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	err := cmd.Wait()
	close(ended)
	<-watched
	var r release.Report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("%q: %v\n%s\n%s", cmd.Args, err, &stdout, &stderr)
	}
	if err != nil {
		t.Fatalf("%q: %v\n%+v\n%s", cmd.Args, err, r.Problems, &stderr)
	}
	return r
}

func measureArtifact(t *testing.T) section {
	const size = 2<<30 - 1
	o := newOutside(t, grid{levels: 1, wide: 1, verify: true}, 0)
	file := filepath.Join(t.TempDir(), "image.bin")
	f, err := os.Create(file)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	peak := ""
	began := time.Now()
	r := outcome(t, o.command(t, "release", "--tag", "v"+gridVersion, "--artifacts", file), func(pid int) {
		if v := field(fmt.Sprintf("/proc/%d/status", pid), "VmHWM"); v != "" {
			peak = v
		}
	})
	took := time.Since(began)
	if r.Outcome != release.Released || len(r.Bill.Artifacts) != 1 || r.Bill.Artifacts[0].Size != size {
		t.Fatalf("release: %s %+v", r.Outcome, r.Bill)
	}
	var kib int64
	if _, err := fmt.Sscanf(peak, "%d kB", &kib); err != nil {
		t.Fatalf("peak memory %q: %v", peak, err)
	}
	return section{
		title: "A large artifact",
		how: fmt.Sprintf("`tagboat release --tag v%s --artifacts image.bin`, a process of its own: one crate and an artifact of %d bytes, one less than 2 GiB (a sparse file), to the\n"+
			"embedded GitHub in another process. Memory is the peak resident set of the tagboat process (VmHWM).", gridVersion, size),
		rows:  []row{{"under 64 MiB of resident memory", fmt.Sprintf("%.1f MiB", float64(kib)/1024), fmt.Sprintf("1/%d of the artifact", size>>10/kib), judge(kib < 64<<10)}},
		notes: []string{fmt.Sprintf("the whole release took %s: the file is read twice, to know its checksum before anything is written and to send it, and the embedded GitHub hashes it and writes it to disk", short(took))},
	}
}

func measurePlan(t *testing.T) section {
	const runs, members = 5, 200
	s := section{
		title: fmt.Sprintf("`tagboat plan` on %d members", members),
		how: fmt.Sprintf("A workspace of %d tiny crates, twenty levels of ten, each depending on all ten of the level before, none published yet; `tagboat plan --tag v%s --json` as a process\n"+
			"of its own, from start to exit: the files of the commit, build zone, `cargo metadata`, %d index look-ups, GitHub, rules, plan. Median of %d after one to warm the disk cache.", members, gridVersion, members, runs),
	}
	for _, delay := range []time.Duration{0, roundTrip} {
		o := newOutside(t, grid{levels: 20, wide: 10, verify: true}, delay)
		var took []time.Duration
		for i := range runs + 1 {
			cmd := o.command(t, "plan", "--tag", "v"+gridVersion)
			began := time.Now()
			r := outcome(t, cmd, nil)
			d := time.Since(began)
			if r.Outcome != release.Planned || len(r.Crates) != members {
				t.Fatalf("plan: %s, %d crates, %+v", r.Outcome, len(r.Crates), r.Problems)
			}
			if i > 0 {
				took = append(took, d)
			}
		}
		limit, verdict, promise := 300*time.Millisecond, none, "no promise"
		if delay == 0 {
			verdict, promise = judge(median(took) < limit), "under 300 ms"
		}
		s.rows = append(s.rows, row{promise: promise + ", round trip " + trip(delay), measured: spread(took), ratio: fmt.Sprintf("%.1f ms a member", float64(median(took).Microseconds())/1000/members), met: verdict})
	}
	return s
}
