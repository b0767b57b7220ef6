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

const preface = "# Benchmarks\n\n" +
	"Written by `make bench`, which is `go test -tags bench -count=1 -timeout 60m -v ./internal/bench`; do not edit. With `-run TestBenchmarks/NAME` one\n" +
	"section is measured anew and the others stay.\n\n" +
	"Both sides of a comparison run in the same process on the same machine, one after the other, against the same embedded registry and the same\n" +
	"embedded GitHub over real HTTP on loopback. A round trip is added by sleeping before each request is handled, a connection costs none. Nothing\n" +
	"is asserted about time: the promise stands beside what was measured. Other work on the machine slows what is measured, ratios less than times.\n"

// heading begins a section, which ends where the next one begins.
const heading = "\n## "

func (s section) markdown(measured string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n\n%s\n\n%s\n\n| Promise | Measured | Ratio or bound | |\n|---|---|---|---|\n", heading, s.title, s.how, measured)
	for _, row := range s.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", row.promise, row.measured, row.ratio, row.met)
	}
	if len(s.notes) > 0 {
		b.WriteString("\n")
	}
	for _, n := range s.notes {
		b.WriteString("- " + n + "\n")
	}
	return b.String()
}

// replace puts a section in the place of the one with its title, or at the end, and the preface before all.
func replace(document string, s section, text string) string {
	parts := strings.Split(document, heading)
	out, found := preface, false
	for _, part := range parts[1:] {
		if title, _, _ := strings.Cut(part, "\n"); title == s.title {
			out, found = out+text, true
			continue
		}
		out += heading + part
	}
	if !found {
		out += text
	}
	return out
}

// describe says where, when and with what a section was measured.
func describe(t *testing.T, before string) string {
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
	return fmt.Sprintf("Measured %s UTC at %s. %s, %d cores, %s of memory, Linux %s, %s; %s, %s, %s. Load average before: %s, after: %s.",
		time.Now().UTC().Format("2006-01-02 15:04"), output(t, "git", "describe", "--always", "--dirty", "--abbrev=10"),
		processor(), runtime.NumCPU(), memory(), release, disk(t), output(t, "cargo", "--version"), runtime.Version(), output(t, "git", "--version"), before, load())
}

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
