//go:build bench

package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// report is the document.
type report struct {
	machine  []string
	sections []section
	took     time.Duration
}

// section is what one measurement found.
type section struct {
	title string
	how   string // what was done, with sizes
	rows  []row
	notes []string // measured besides the promises
}

// row is one promise, what was measured, and whether it holds.
type row struct {
	promise  string
	measured string // absolute
	ratio    string // what the promise is about
	met      verdict
}

type verdict string

const (
	met    verdict = "met"
	notMet verdict = "not met"
	none   verdict = "no promise"
)

func judge(ok bool) verdict {
	if ok {
		return met
	}
	return notMet
}

func (r report) markdown() string {
	var b strings.Builder
	b.WriteString("# Benchmarks\n\n" +
		"Written by `make bench`, which is `go test -tags bench -count=1 -timeout 60m -v ./internal/bench`; do not edit.\n\n" +
		"Both sides of a comparison run in the same process on the same machine, one after the other, against the same embedded registry and the same\n" +
		"embedded GitHub over real HTTP on loopback. A round trip is added by sleeping before each request is handled, a connection costs none. Nothing\n" +
		"is asserted about time: the promise stands beside what was measured.\n\n")
	for _, line := range r.machine {
		b.WriteString("- " + line + "\n")
	}
	fmt.Fprintf(&b, "- the whole measurement took %s\n", short(r.took))
	for _, s := range r.sections {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| Promise | Measured | Ratio or bound | |\n|---|---|---|---|\n", s.title, s.how)
		for _, row := range s.rows {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.promise, row.measured, row.ratio, row.met)
		}
		if len(s.notes) > 0 {
			b.WriteString("\n")
		}
		for _, n := range s.notes {
			b.WriteString("- " + n + "\n")
		}
	}
	return b.String()
}

// describeMachine says where and with what the numbers were made.
func describeMachine(t *testing.T) []string {
	var host syscall.Utsname
	if err := syscall.Uname(&host); err != nil {
		t.Fatal(err)
	}
	release := make([]byte, 0, len(host.Release))
	for _, c := range host.Release {
		if c != 0 {
			release = append(release, byte(c))
		}
	}
	commit := output(t, "git", "describe", "--always", "--dirty", "--abbrev=10")
	return []string{
		fmt.Sprintf("%s, %d cores, %s of memory, Linux %s, %s", processor(), runtime.NumCPU(), memory(), release, disk(t)),
		fmt.Sprintf("%s, %s, %s, Tagboat at %s", output(t, "cargo", "--version"), runtime.Version(), output(t, "git", "--version"), commit),
		"measured " + time.Now().UTC().Format("2006-01-02 15:04") + " UTC; load average before: " + before + ", after: " + load() + "; other work slows what is measured, ratios less than times",
	}
}

// before is the load when the program started.
var before = load()

// load is the machine's load average over 1, 5 and 15 minutes.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

func output(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).Output()
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	return strings.TrimSpace(string(out))
}

func field(file, key string) string {
	text, _ := os.ReadFile(file)
	for line := range bytes.Lines(text) {
		if name, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func processor() string {
	if name := field("/proc/cpuinfo", "model name"); name != "" {
		return name
	}
	return runtime.GOARCH
}

func memory() string {
	var kib int64
	fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%d", &kib)
	return fmt.Sprintf("%d GiB", (kib+1<<19)>>20)
}

// disk names the file system that everything is written to.
func disk(t *testing.T) string {
	fields := strings.Fields(output(t, "df", "--output=source,fstype", os.TempDir()))
	return fields[len(fields)-1] + " on " + fields[len(fields)-2]
}

// median returns the middle of an odd number of durations, the lower middle of an even one.
func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)/2]
}

// spread writes a median with its extremes.
func spread(all []time.Duration) string {
	if len(all) == 1 {
		return short(all[0]) + " (one run)"
	}
	return fmt.Sprintf("%s (%s to %s, %d runs)", short(median(all)), short(slices.Min(all)), short(slices.Max(all)), len(all))
}

func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Minute:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// fraction writes ours as a part of theirs.
func fraction(ours, theirs time.Duration) string {
	return fmt.Sprintf("1/%.1f", theirs.Seconds()/ours.Seconds())
}
