package redist

import (
	"strings"
	"testing"
	"time"
)

func TestVersion(t *testing.T) {
	o := Origin{Date: time.Date(2024, 4, 16, 23, 0, 0, 0, time.UTC), Commit: "52edcf4aa0123456789", Count: 218}
	for _, c := range []struct{ template, own, want, doubts string }{
		{"", "0.1.2", "0.1.2-20240416", ""},
		{"{version}-{date}", "0.1.2", "0.1.2-20240416", ""},
		{"{version}-{date}-{rev}", "0.1.2", "0.1.2-20240416-52edcf4aa0", `"20240416-52edcf4aa0" begins with a digit`},
		{"{version}-{date}.r{rev}", "0.1.2", "0.1.2-20240416.r52edcf4aa0", ""},
		{"{version}-dev.{count}", "0.1.2", "0.1.2-dev.218", ""},
		{"{version}+{date}", "0.1.2", "0.1.2+20240416", ""},
		{"{version}-{date}", "0.1.2-rc.1", "0.1.2-rc.1-20240416", `"1-20240416" begins with a digit`},
		{"{version}--{date}", "0.1.2", "0.1.2--20240416", "two hyphens"},
		{"{version}-0{date}", "0.1.2", "", "020240416"},
		{"{date}", "0.1.2", "", "which is no version"},
		{"v{version}", "0.1.2", "", "which is no version"},
		{"{version}_{date}", "0.1.2", "", "which is no version"},
	} {
		got, err := Version(c.template, c.own, o)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s: got %q, %v, want %q", c.template, got, err, c.want)
			continue
		}
		if err != nil && !strings.Contains(err.Error(), c.doubts) {
			t.Errorf("%s: %v, want %q", c.template, err, c.doubts)
		}
		if doubts := Doubts(got); err == nil && ((doubts == "") != (c.doubts == "") || !strings.Contains(doubts, c.doubts)) {
			t.Errorf("%s: doubts %q, want %q", got, doubts, c.doubts)
		}
	}
}
