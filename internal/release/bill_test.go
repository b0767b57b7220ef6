package release_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// fullBill has a value in every field.
func fullBill() release.Bill {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return release.Bill{
		Schema: release.BillSchema, Repository: "owner/name", Tag: "v1.0.0", Commit: strings.Repeat("ab", 20), Branch: "release/v1.0.0",
		Toolchain: "rustc 1.95.0", Cargo: "cargo 1.95.0", Isolation: []string{"landlock abi 7", "user 65534"},
		Crates: []release.BillCrate{
			{Name: "core", Version: "1.0.0", SHA256: sum("core"), Size: 4, Asset: "core-1.0.0.crate", Files: 3, Needs: []string{"base"},
				Registries: []release.BillRegistry{{Name: "crates-io", Index: "https://github.com/rust-lang/crates.io-index", ConfirmedAt: &at}}},
			{Name: "core", Version: "1.0.0", SHA256: sum("core for feed"), Size: 13, Asset: "core-1.0.0.feed.crate", Files: 3, Needs: []string{"base"},
				Registries: []release.BillRegistry{{Name: "feed", Index: "sparse+https://feed.example.com/index/", ConfirmedAt: &at}}},
		},
		Artifacts: []release.BillArtifact{{Name: "tool.tar.gz", SHA256: sum("tool"), Size: 4}},
		Relaxed:   []release.BillRelaxed{{Rule: "changelog", Reason: "by hand"}},
	}
}

func key(name, value string) release.BillKey {
	return release.BillKey{Name: name, Value: secret.New(value)}
}

// reread returns the bill as a later run finds it in the draft.
func reread(t *testing.T, b release.Bill) release.Bill {
	t.Helper()
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var out release.Bill
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBillAuthentic(t *testing.T) {
	old, fresh := key("crates-io", "old-token"), key("crates-io", "new-token")
	feed, user := key("feed", "feed-token"), key("TAGBOAT_BILL_KEY", "a-key-of-the-user")
	for _, test := range []struct {
		name         string
		signed, held []release.BillKey
		want         bool
		reason       string
	}{
		{"the same key", []release.BillKey{old}, []release.BillKey{old}, true, "crates-io is right"},
		{"a rotated key", []release.BillKey{old}, []release.BillKey{fresh}, false, "crates-io is wrong"},
		{"a rotated key, another is the same", []release.BillKey{old, feed}, []release.BillKey{fresh, feed}, true, "feed is right"},
		{"a key that lasts", []release.BillKey{user, old}, []release.BillKey{user, fresh}, true, "TAGBOAT_BILL_KEY is right"},
		{"the token of a registry that the bill does not publish to", []release.BillKey{key("mirror", "t")}, []release.BillKey{key("mirror", "t")}, false, "carries no MAC"},
		{"the same secret under another name", []release.BillKey{old}, []release.BillKey{key("feed", "old-token")}, false, "no credential of this run"},
		{"no key at all", []release.BillKey{old}, nil, false, "no credential of this run"},
		{"an absent key", []release.BillKey{old}, []release.BillKey{{Name: "crates-io"}}, false, "no credential of this run"},
		{"signed by nobody", nil, []release.BillKey{old}, false, "carries no MAC"},
		{"signed with an absent key", []release.BillKey{{Name: "crates-io"}}, []release.BillKey{{Name: "crates-io"}}, false, "carries no MAC"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := fullBill()
			if err := b.Sign(test.signed); err != nil {
				t.Fatal(err)
			}
			b = reread(t, b)
			got, reason := b.Authentic(test.held)
			if got != test.want || !strings.Contains(reason, test.reason) {
				t.Errorf("authentic %v, %q; want %v, %q", got, reason, test.want, test.reason)
			}
		})
	}
}

// TestBillTampered changes one value of a signed bill at a time, wherever there is one: no change goes unseen.
func TestBillTampered(t *testing.T) {
	keys := []release.BillKey{key("crates-io", "token")}
	changes := 0
	var walk func(v reflect.Value, path string, check func(string))
	walk = func(v reflect.Value, path string, check func(string)) {
		try := func(change func()) {
			saved := reflect.New(v.Type()).Elem()
			saved.Set(v)
			change()
			check(path)
			v.Set(saved)
			changes++
		}
		switch v.Kind() {
		case reflect.String:
			try(func() { v.SetString(v.String() + "x") })
			try(func() { v.SetString("") })
		case reflect.Int, reflect.Int64:
			try(func() { v.SetInt(v.Int() + 1) })
		case reflect.Bool:
			try(func() { v.SetBool(!v.Bool()) })
		case reflect.Pointer:
			try(func() { v.SetZero() })
			if v.Type() != reflect.TypeFor[*time.Time]() {
				walk(v.Elem(), path, check)
				return
			}
			try(func() { at := time.Unix(1, 0).UTC(); v.Set(reflect.ValueOf(&at)) })
		case reflect.Slice:
			if v.Len() == 0 {
				try(func() { v.Set(reflect.MakeSlice(v.Type(), 1, 1)) })
				return
			}
			try(func() { v.Set(v.Slice(0, v.Len()-1)) })
			try(func() { v.Set(reflect.AppendSlice(v.Slice(0, v.Len()), v.Slice(0, 1))) })
			for i := range v.Len() {
				walk(v.Index(i), path+"[]", check)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if name := v.Type().Field(i).Name; name != "MAC" {
					walk(v.Field(i), path+"."+name, check)
				}
			}
		default:
			t.Fatalf("%s: no case for %s", path, v.Kind())
		}
	}
	b := fullBill()
	b.Upstream = &release.Upstream{Repository: "https://git.example.com/core", Rev: "main", Changes: []string{"Cargo.toml: package.version = \"1.0.0\""}}
	if err := b.Sign(keys); err != nil {
		t.Fatal(err)
	}
	walk(reflect.ValueOf(&b).Elem(), "bill", func(path string) {
		again := reread(t, b)
		if ok, _ := again.Authentic(keys); ok {
			t.Errorf("%s was changed and the bill is authentic all the same", path)
		}
	})
	if ok, reason := b.Authentic(keys); !ok || changes < 50 {
		t.Errorf("after %d changes were taken back: %s", changes, reason)
	}
}

// TestBillHostileMAC holds what stands in the field to nothing but a MAC.
func TestBillHostileMAC(t *testing.T) {
	for _, claimed := range []string{"", "zz", "00", strings.Repeat("00", 32), strings.Repeat("f", 1<<16)} {
		b := fullBill()
		b.MAC = map[string]string{"crates-io": claimed}
		if ok, _ := b.Authentic([]release.BillKey{key("crates-io", "token")}); ok {
			t.Errorf("MAC %.20q is believed", claimed)
		}
	}
}

// TestBillKeepsNoSecret signs with a token that must not stand in the bill.
func TestBillKeepsNoSecret(t *testing.T) {
	token := secret.New("cio-very-secret-token")
	var masker secret.Masker
	if err := masker.Add(token); err != nil {
		t.Fatal(err)
	}
	b := fullBill()
	if err := b.Sign([]release.BillKey{{Name: "crates-io", Value: token}}); err != nil {
		t.Fatal(err)
	}
	text, err := b.Encode()
	if err != nil || len(masker.Leaks(text)) > 0 || len(b.MAC) != 1 {
		t.Errorf("leaks %v, %d MACs, %v", masker.Leaks(text), len(b.MAC), err)
	}
}

// TestBillEncodeIsPlain writes names as people wrote them and ends in a line feed.
func TestBillEncodeIsPlain(t *testing.T) {
	b := fullBill()
	b.Relaxed[0].Reason = "a < b && c > d"
	text, err := b.Encode()
	if err != nil || !strings.Contains(string(text), "a < b && c > d") || !strings.HasSuffix(string(text), "}\n") {
		t.Errorf("%s, %v", text, err)
	}
	if diff := cmp.Diff(b, reread(t, b)); diff != "" {
		t.Errorf("read back it differs:\n%s", diff)
	}
}

// TestSums lets sha256sum read the file.
func TestSums(t *testing.T) {
	b := fullBill()
	dir := t.TempDir()
	for name, content := range map[string]string{"core-1.0.0.crate": "core", "core-1.0.0.feed.crate": "core for feed", "tool.tar.gz": "tool", release.SumsName: string(b.Sums())} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", release.SumsName)
	check.Dir = dir
	out, err := check.CombinedOutput()
	if err != nil || strings.Count(string(out), ": OK") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
	var names []string
	for line := range strings.Lines(string(b.Sums())) {
		names = append(names, strings.Fields(line)[1])
	}
	if !slices.IsSorted(names) {
		t.Errorf("the files are not in order: %v", names)
	}
	if got := string((&release.Bill{}).Sums()); got != "" {
		t.Errorf("an empty bill has sums %q", got)
	}
}

// TestBillCheck refuses a bill that others wrote: its names become file names and its sums lines of text.
func TestBillCheck(t *testing.T) {
	good := fullBill()
	if err := good.Check(); err != nil {
		t.Errorf("a good bill: %v", err)
	}
	for name, spoil := range map[string]func(*release.Bill){
		"schema":             func(b *release.Bill) { b.Schema = "tagboat.bill/v9" },
		"no sum":             func(b *release.Bill) { b.Crates[0].SHA256 = "" },
		"a sum in capitals":  func(b *release.Bill) { b.Crates[0].SHA256 = strings.ToUpper(b.Crates[0].SHA256) },
		"a long sum":         func(b *release.Bill) { b.Artifacts[0].SHA256 += "00" },
		"a path":             func(b *release.Bill) { b.Crates[0].Asset = "../../etc/passwd" },
		"an absolute path":   func(b *release.Bill) { b.Artifacts[0].Name = "/etc/passwd" },
		"two lines":          func(b *release.Bill) { b.Artifacts[0].Name = "a\nb" },
		"no name":            func(b *release.Bill) { b.Artifacts[0].Name = "" },
		"dots":               func(b *release.Bill) { b.Artifacts[0].Name = ".." },
		"one name twice":     func(b *release.Bill) { b.Artifacts[0].Name = b.Crates[0].Asset },
		"the bill's name":    func(b *release.Bill) { b.Artifacts[0].Name = release.BillName },
		"less than nothing":  func(b *release.Bill) { b.Crates[0].Size = -1 },
		"a crate's own name": func(b *release.Bill) { b.Crates[0].Name = "../core" },
	} {
		b := fullBill()
		spoil(&b)
		if err := b.Check(); err == nil {
			t.Errorf("%s: the bill is accepted", name)
		}
	}
}

// TestBillEntries finds the entry of a crate by name, registry, bytes and asset.
func TestBillEntries(t *testing.T) {
	b := fullBill()
	if c := b.Bound("core", "feed"); c == nil || c.Asset != "core-1.0.0.feed.crate" {
		t.Errorf("core on feed: %+v", c)
	}
	if c := b.Crate("core"); c == nil || c.Asset != "core-1.0.0.crate" {
		t.Errorf("core: %+v", c)
	}
	if b.Bound("core", "other") != nil || b.Crate("cor") != nil || b.ByAsset("core") != nil || b.SameBytes("core", sum("x")) != -1 {
		t.Error("something was found that is not there")
	}
	if c := b.ByAsset("core-1.0.0.feed.crate"); c == nil || b.SameBytes("core", c.SHA256) != 1 {
		t.Errorf("by asset: %+v", c)
	}
}

func TestLedger(t *testing.T) {
	asset := func(name, sha string, size int64) release.Asset {
		return release.Asset{Name: name, SHA256: sha, Size: size, Whole: true}
	}
	all := []release.Asset{asset("core-1.0.0.crate", sum("core"), 4), asset("core-1.0.0.feed.crate", sum("core for feed"), 13), asset("tool.tar.gz", sum("tool"), 4), asset("bill.json", "", 900)}
	for _, test := range []struct {
		name    string
		change  func(a []release.Asset) []release.Asset
		missing []string
	}{
		{"all there", func(a []release.Asset) []release.Asset { return a }, nil},
		{"no digest told", func(a []release.Asset) []release.Asset { a[0].SHA256 = ""; return a }, nil},
		{"another digest", func(a []release.Asset) []release.Asset { a[0].SHA256 = sum("x"); return a }, []string{"core-1.0.0.crate"}},
		{"another size", func(a []release.Asset) []release.Asset { a[2].Size++; return a }, []string{"tool.tar.gz"}},
		{"broke off", func(a []release.Asset) []release.Asset { a[1].Whole = false; return a }, []string{"core-1.0.0.feed.crate"}},
		{"gone", func(a []release.Asset) []release.Asset { return a[3:] }, []string{"core-1.0.0.crate", "core-1.0.0.feed.crate", "tool.tar.gz"}},
	} {
		b := fullBill()
		l := release.Ledger{Bill: &b, Authentic: true}
		l.Miss(test.change(append([]release.Asset{}, all...)))
		if diff := cmp.Diff(test.missing, l.Missing); diff != "" {
			t.Errorf("%s: missing\n%s", test.name, diff)
		}
		if l.Complete() != (len(test.missing) == 0) {
			t.Errorf("%s: complete %v", test.name, l.Complete())
		}
	}
	empty := release.Ledger{Authentic: true}
	empty.Miss(nil)
	if empty.Bind(release.Snapshot{}); empty.Complete() {
		t.Error("a ledger without a bill is complete")
	}
}

// TestLedgerBind refuses a bill that is authentic for something else.
func TestLedgerBind(t *testing.T) {
	s := release.Snapshot{Repository: "owner/name", Checkout: release.Checkout{Tag: release.Tag{Name: "v1.0.0"}, Commit: strings.Repeat("ab", 20)}}
	for name, change := range map[string]func(*release.Bill){
		"":                   func(*release.Bill) {},
		"another repository": func(b *release.Bill) { b.Repository = "fork/name" },
		"another tag":        func(b *release.Bill) { b.Tag = "v0.9.0" },
		"another commit":     func(b *release.Bill) { b.Commit = strings.Repeat("cd", 20) },
		"a short commit":     func(b *release.Bill) { b.Commit = "abab" },
	} {
		b := fullBill()
		change(&b)
		l := release.Ledger{Bill: &b, Authentic: true}
		if l.Bind(s); l.Authentic != (name == "") || l.Complete() != (name == "") || (l.Reason == "") != (name == "") {
			t.Errorf("%q: %+v", name, l)
		}
	}
}

// TestBillMACStays holds the MAC of a known bill: another version of Tagboat must be able to go on with a release.
func TestBillMACStays(t *testing.T) {
	b := fullBill()
	if err := b.Sign([]release.BillKey{key("crates-io", "token"), key("feed", "token")}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"crates-io": "8f30b92fd788edaf9d58e3081d333b452f5c8075e288fa75ea53f67d6e0b2966", "feed": "f468c587f627a8d433a8336e87db5ded35567d54cf1c6f75e1ed6f366780d902"}
	if diff := cmp.Diff(want, b.MAC); diff != "" {
		t.Errorf("releases under way could not be resumed\n%s", diff)
	}
}
