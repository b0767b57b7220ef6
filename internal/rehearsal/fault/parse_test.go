package fault

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/problem"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]Spec{
		"publish core: refuse 503":                          {Operation: "publish", Argument: "core", Action: Refuse, Status: 503},
		"crates-io publish core #2: accept-then 500":        {Service: "crates-io", Operation: "publish", Argument: "core", Call: 2, Action: AcceptThen, Status: 500},
		"github upload-asset bill.json: drop":               {Service: "github", Operation: "upload-asset", Argument: "bill.json", Action: Drop},
		"github create-ref: accept-then drop":               {Service: "github", Operation: "create-ref", Action: AcceptThen},
		"  publish  * : refuse 429 retry-after 60s ":        {Operation: "publish", Argument: "*", Action: Refuse, Status: 429, RetryAfter: time.Minute},
		"github: delay 2s":                                  {Service: "github", Action: Delay, Duration: 2 * time.Second},
		"github #3: delay 1h":                               {Service: "github", Call: 3, Action: Delay, Duration: time.Hour},
		"index: lag 30s":                                    {Operation: "index", Action: Lag, Duration: 30 * time.Second},
		"feed index core: lag 90s":                          {Service: "feed", Operation: "index", Argument: "core", Action: Lag, Duration: 90 * time.Second},
		"crates-io: expire after 3 publishes":               {Service: "crates-io", Action: Expire, Count: 3, Unit: "publishes"},
		"crates-io: expire after 0 calls":                   {Service: "crates-io", Action: Expire, Unit: "calls"},
		"github: expire after 30m":                          {Service: "github", Action: Expire, Duration: 30 * time.Minute},
		"* every: drop":                                     {Every: true, Action: Drop},
		"publish core every: drop":                          {Operation: "publish", Argument: "core", Every: true, Action: Drop},
		"publish core: die":                                 {Operation: "publish", Argument: "core", Action: Die},
		"publish core: die before":                          {Operation: "publish", Argument: "core", Action: Die},
		"publish core: die after":                           {Operation: "publish", Argument: "core", Action: DieAfter},
		"publish core: die-after":                           {Operation: "publish", Argument: "core", Action: DieAfter},
		"die before publish/crates-io/core@0.4.0":           {Step: "publish/crates-io/core@0.4.0", Action: Die},
		"die after draft #2":                                {Step: "draft", Call: 2, Action: DieAfter},
		"disk full at package":                              {Step: "package", Action: DiskFull},
		`"publish" publish "every": drop`:                   {Service: "publish", Operation: "publish", Argument: "every", Action: Drop},
		`index index: drop`:                                 {Operation: "index", Argument: "index", Action: Drop},
		"github create-ref refs/heads/release/v*: delay 1s": {Service: "github", Operation: "create-ref", Argument: "refs/heads/release/v*", Action: Delay, Duration: time.Second},
	} {
		got, err := Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%s became %s, which reads as %+v, %v", line, got, again, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ line, detail, hint string }{
		{"", "column 1: it is empty", "for instance"},
		{"publish core drop", "column 18: a colon and an action are missing", "actions: refuse"},
		{": drop", "column 1: nothing is selected", ""},
		{"publish core:", "column 14: the action is missing", "actions: refuse"},
		{"pubish core: drop", "column 1: no operation is called pubish", "did you mean publish?"},
		{"github upload-aset x: drop", "column 8: no operation is called upload-aset", "did you mean upload-asset?"},
		{"feed publish core extra: drop", "column 19: extra is one word too many", ""},
		{"publish core: refuse", "column 21: the status is missing", "400 to 599"},
		{"publish core: refuse 200", "column 22: 200 is no status", "400 to 599"},
		{"publish core: refuse 0503", "column 22: 0503 is no status", ""},
		{"publish core: refuse 429 retry 3s", "column 26: after the status comes retry-after, not retry", "did you mean retry-after?"},
		{"publish core: refuse 429 retry-after soon", "column 38: soon is no duration", ""},
		{"publish core: delay -2s", "column 21: -2s is no duration", ""},
		{"index: lagg 30s", "column 8: no action is called lagg", "did you mean lag?"},
		{"publish: lag 30s", "column 1: only a registry's index can lag", ""},
		{"github: lag 30s", "column 1: only a registry's index can lag", ""},
		{"index #2: lag 30s", "column 1: lag does not act on single calls", ""},
		{"feed publish: expire after 3 publishes", "column 1: a token expires for a whole service", ""},
		{"feed: expire", "column 13: expire needs to know after what", ""},
		{"feed: expire after 3 sheep", "column 22: expire needs to know after how many", ""},
		{"publish core #0: drop", "column 14: #0 is no call number", ""},
		{"publish core: drop twice", "column 20: twice is one word too many", ""},
		{`publish "core: drop`, "column 9: the quote is not closed", ""},
		{"die", "column 4: this does not say when", "die before STEP"},
		{"die before draft release", "column 18: one step is wanted", ""},
		{"disk full", "column 6: this does not say when", ""},
	} {
		_, err := Parse(test.line)
		var p *problem.Error
		if !errors.As(err, &p) || p.Kind != problem.Usage {
			t.Errorf("%q: got %v, want a usage error", test.line, err)
			continue
		}
		if !strings.HasPrefix(p.Detail, test.detail) {
			t.Errorf("%q: detail is %q, want %q", test.line, p.Detail, test.detail)
		}
		if !strings.Contains(p.Hint, test.hint) {
			t.Errorf("%q: hint is %q, want %q in it", test.line, p.Hint, test.hint)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range examples {
		f.Add(line)
	}
	f.Add(`"publish" index "a\x00b:" every: refuse 429 retry-after 1h0m0.5s`)
	f.Fuzz(func(t *testing.T, line string) {
		spec, err := Parse(line)
		if err != nil {
			var p *problem.Error
			if !errors.As(err, &p) || p.Kind != problem.Usage {
				t.Fatalf("%q: %v is no usage error", line, err)
			}
			return
		}
		again, err := Parse(spec.String())
		if err != nil || again != spec {
			t.Fatalf("%q is %+v, written %q, read %+v, %v", line, spec, spec, again, err)
		}
	})
}

func TestRandom(t *testing.T) {
	shape := Shape{
		Services: []Service{
			{"github", []string{"create-ref", "upload-asset", "list-releases"}},
			{"crates-io", []string{"publish", "index"}},
			{"feed", []string{"publish", "config"}},
		},
		Crates: []string{"core", "macros"}, Steps: []string{"draft", "publish"}, Faults: 400, Calls: 3,
	}
	specs := Random(rand.New(rand.NewPCG(1, 2)), shape)
	if diff := cmp.Diff(specs, Random(rand.New(rand.NewPCG(1, 2)), shape)); diff != "" {
		t.Errorf("the same seed gives other faults:\n%s", diff)
	}
	if len(specs) != shape.Faults {
		t.Fatalf("got %d faults, want %d", len(specs), shape.Faults)
	}
	seen := map[Action]int{}
	for _, s := range specs {
		seen[s.Action]++
		if again, err := Parse(s.String()); err != nil || again != s {
			t.Errorf("%+v is written %q, which reads as %+v, %v", s, s, again, err)
		}
	}
	for _, a := range []Action{Refuse, AcceptThen, Drop, Delay, Lag, Die, DieAfter} {
		if seen[a] == 0 {
			t.Errorf("of %d faults none is %s", shape.Faults, a)
		}
	}
	if got := Random(rand.New(rand.NewPCG(1, 2)), Shape{Faults: 3}); got != nil {
		t.Errorf("nothing can fail, but %v do", got)
	}
}
