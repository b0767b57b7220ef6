package registry

import (
	"fmt"
	"strings"
	"time"
)

// Forecast is how long a registry's limits hold up a release, with full buckets at its start.
type Forecast struct {
	Pause time.Duration // forced waiting until the last upload may start; 0 when there is none
	Done  time.Time     // now and Pause
	Text  string        // one sentence for people; "" when nothing holds the release up
}

// Forecast returns how long uploading newCrates first versions and newVersions further ones takes at the least. It is a
// floor: uploads of an hour ago may have emptied the buckets.
func (r Registry) Forecast(newCrates, newVersions int, now time.Time) Forecast {
	crates, versions := pause(r.Pace.NewCrates, newCrates), pause(r.Pace.NewVersions, newVersions)
	f := Forecast{Pause: max(crates, versions)}
	f.Done = now.Add(f.Pause)
	if f.Pause == 0 {
		return f
	}
	var parts []string
	if crates > 0 {
		parts = append(parts, sentence(r.Pace.NewCrates, newCrates, "new crates"))
	}
	if versions > 0 {
		parts = append(parts, sentence(r.Pace.NewVersions, newVersions, "new versions"))
	}
	f.Text = fmt.Sprintf("%s: %s; the last upload can start in %s, at %s",
		r.Name, strings.Join(parts, " and "), short(f.Pause), f.Done.UTC().Format("2006-01-02 15:04 UTC"))
	return f
}

func pause(b Bucket, n int) time.Duration {
	if b.Every <= 0 || n <= b.Burst {
		return 0
	}
	return time.Duration(n-b.Burst) * b.Every
}

func sentence(b Bucket, n int, what string) string {
	return fmt.Sprintf("%d %s where %d may go at once and one more every %s", n, what, b.Burst, short(b.Every))
}

// short prints a duration without its zero parts: 1h20m, not 1h20m0s.
func short(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
