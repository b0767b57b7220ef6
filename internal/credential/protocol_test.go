package credential

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/secret"
)

var grants = Grants{
	{Name: "feed", Index: "sparse+https://feed.example.com/index/", Token: secret.New("Bearer mark"), Crates: map[string]string{"core": "1.2.3"}},
	{Name: "crates-io", Index: "https://github.com/rust-lang/crates.io-index", Token: secret.New("cio-mark"), Expires: time.Unix(1800000000, 0)},
	{Name: "empty", Index: "sparse+https://empty.example.com/"},
}

func TestRespond(t *testing.T) {
	line := func(index, kind, more string) string {
		return `{"v":1,"registry":{"index-url":"` + index + `","name":"feed","headers":["x"]},"kind":"` + kind + `"` + more + `}`
	}
	const feed = "sparse+https://feed.example.com/index/"
	for name, test := range map[string]struct{ line, want string }{
		"read":              {line(feed, "get", `,"operation":"read"`), `{"Ok":{"kind":"get","token":"Bearer mark","cache":"session","operation_independent":false}}`},
		"without the slash": {line(strings.TrimSuffix(feed, "/"), "get", `,"operation":"read"`), `{"Ok":{"kind":"get","token":"Bearer mark","cache":"session","operation_independent":false}}`},
		"publish":           {line(feed, "get", `,"operation":"publish","name":"core","vers":"1.2.3","cksum":"ab"`), `{"Ok":{"kind":"get","token":"Bearer mark","cache":"never","operation_independent":false}}`},
		"another version":   {line(feed, "get", `,"operation":"publish","name":"core","vers":"1.2.4"`), `{"Err":{"kind":"other","message":"tagboat gives no token to publish core 1.2.4 at registry feed: what is published there from here is core 1.2.3"}}`},
		"another crate":     {line(feed, "get", `,"operation":"publish","name":"evil","vers":"1.2.3"`), `{"Err":{"kind":"other","message":"tagboat gives no token to publish evil 1.2.3 at registry feed: what is published there from here is core 1.2.3"}}`},
		"nothing published": {line("https://github.com/rust-lang/crates.io-index", "get", `,"operation":"publish","name":"evil","vers":"1.0.0"`), `{"Err":{"kind":"other","message":"tagboat gives no token to publish evil 1.0.0 at registry crates-io: nothing is published there from here"}}`},
		"yank":              {line(feed, "get", `,"operation":"yank","name":"core","vers":"1.0.0"`), `{"Ok":{"kind":"get","token":"Bearer mark","cache":"never","operation_independent":false}}`},
		"owners":            {line(feed, "get", `,"operation":"owners","name":"other"`), `{"Err":{"kind":"other","message":"tagboat gives no token to owners other at registry feed: what is published there from here is core 1.2.3"}}`},
		"new operation":     {line(feed, "get", `,"operation":"delete","name":"core"`), `{"Err":{"kind":"operation-not-supported"}}`},
		"expires":           {line("sparse+https://index.crates.io/", "get", `,"operation":"read"`), `{"Ok":{"kind":"get","token":"cio-mark","cache":"expires","expiration":1800000000,"operation_independent":false}}`},
		"no token":          {line("sparse+https://empty.example.com/", "get", `,"operation":"read"`), `{"Err":{"kind":"not-found"}}`},
		"same name only":    {line("sparse+https://evil.example.com/index/", "get", `,"operation":"read"`), `{"Err":{"kind":"url-not-supported"}}`},
		"another case":      {line("sparse+https://feed.example.com/Index/", "get", `,"operation":"read"`), `{"Err":{"kind":"url-not-supported"}}`},
		"login":             {line(feed, "login", `,"token":"mine","login-url":"x"`), `{"Err":{"kind":"url-not-supported"}}`},
		"logout":            {line(feed, "logout", ``), `{"Err":{"kind":"url-not-supported"}}`},
		"unknown":           {line(feed, "sing", ``), `{"Err":{"kind":"operation-not-supported"}}`},
		"another protocol":  {`{"v":2,"registry":{"index-url":"x"},"kind":"get","operation":"read"}`, `{"Err":{"kind":"other","message":"tagboat: the request is of another version of the protocol than 1"}}`},
		"no registry":       {`{"v":1,"kind":"get","operation":"read"}`, `{"Err":{"kind":"other","message":"tagboat: the request names no registry"}}`},
		"no operation":      {line(feed, "get", ""), `{"Err":{"kind":"other","message":"tagboat: the request names no operation"}}`},
		"no JSON":           {"Bearer mine", `{"Err":{"kind":"other","message":"tagboat: the request is no JSON that a credential provider is sent"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want+"\n", string(Respond([]byte(test.line), grants.Answer))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestServe(t *testing.T) {
	var out bytes.Buffer
	if err := Serve(strings.NewReader("a\nb\n"), &out, func(line []byte) []byte { return append(append([]byte("<"), line...), ">\n"...) }); err != nil {
		t.Fatal(err)
	}
	if want := "{\"v\":[1]}\n<a>\n<b>\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if err := Serve(strings.NewReader(strings.Repeat("x", MaxLine+1)), &out, func([]byte) []byte { return nil }); err == nil {
		t.Error("a line without an end is read")
	}
}

func TestKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tokens")
	if g, err := Kept(dir); err != nil || g != nil {
		t.Fatalf("before: %v %v", g, err)
	}
	if err := grants.Keep(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, keptName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600: %v", info.Mode(), err)
	}
	got := string(Ask(dir, []byte(`{"v":1,"registry":{"index-url":"sparse+https://feed.example.com/index/"},"kind":"get","operation":"publish","name":"core","vers":"1.2.3"}`)))
	if !strings.Contains(got, `"token":"Bearer mark"`) {
		t.Errorf("kept tokens answer %s", got)
	}
	again, err := Kept(dir)
	if err != nil || len(again) != len(grants) || !again[1].Expires.Equal(grants[1].Expires) {
		t.Errorf("kept %+v: %v", again, err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Kept(dir); err == nil {
		t.Error("a folder that is open to others is used")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, keptName), []byte(`[{"token":"Bearer mark`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Kept(dir); err == nil || strings.Contains(err.Error(), "mark") {
		t.Errorf("a damaged file: %v", err)
	}
	for _, want := range []bool{true, false} {
		if gone, err := Forget(dir); err != nil || gone != want {
			t.Errorf("forget: %v %v, want %v", gone, err, want)
		}
	}
}

func TestApart(t *testing.T) {
	for line, want := range map[string]string{
		"cargo build": "cargo fetch",
		"cargo +1.95.0 test --locked -p core -- --fast":                     "cargo +1.95.0 fetch --locked",
		"/usr/bin/cargo -C sub clippy --manifest-path=x/Cargo.toml":         "/usr/bin/cargo -C sub fetch --manifest-path=x/Cargo.toml",
		"cargo --config net.retry=1 nextest run --manifest-path Cargo.toml": "cargo fetch --config net.retry=1 --manifest-path Cargo.toml",
		"cargo build --offline":                                             "nothing",
		"cargo xtask":                                                       "cargo fetch",
		"cargo package":                                                     "cargo fetch",
		"cargo run -- --offline":                                            "cargo fetch",
		"cargo fetch":                                                       "together",
		"cargo publish --no-verify":                                         "together",
		"cargo publish":                                                     "together, builds",
		"cargo install --registry f x":                                      "together, builds",
		"cargo --version":                                                   "together",
		"make":                                                              "together, builds",
	} {
		argv := strings.Fields(line)
		fetch, apart := Apart(argv)
		got := strings.Join(fetch, " ")
		switch {
		case !apart && Builds(argv):
			got = "together, builds"
		case !apart:
			got = "together"
		case fetch == nil:
			got = "nothing"
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
}

// FuzzRespond holds that whatever is sent is answered by one line of the protocol, and that a token leaves only for an
// index that was granted and for what was granted there.
func FuzzRespond(f *testing.F) {
	f.Add([]byte(`{"v":1,"registry":{"index-url":"sparse+https://feed.example.com/index/","name":"feed","headers":["a"]},"kind":"get","operation":"publish","name":"core","vers":"1.2.3","cksum":"00","args":["credential"]}`))
	f.Add([]byte(`{"v":1,"registry":{"index-url":"sparse+https://index.crates.io/"},"kind":"get","operation":"read"}`))
	f.Add([]byte(`{"v":1,"registry":{"index-url":"sparse+https://feed.example.com/index/"},"kind":"login","token":"x"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		out := Respond(line, grants.Answer)
		var said struct {
			Ok  *wireAnswer
			Err *wireRefusal
		}
		d := json.NewDecoder(bytes.NewReader(out))
		d.DisallowUnknownFields()
		if err := d.Decode(&said); err != nil || bytes.Count(out, []byte("\n")) != 1 || (said.Ok == nil) == (said.Err == nil) {
			t.Fatalf("answered %q: %v", out, err)
		}
		r, err := Parse(line)
		switch {
		case said.Err != nil:
			if bytes.Contains(out, []byte("Bearer mark")) || bytes.Contains(out, []byte("cio-mark")) {
				if !bytes.Contains(line, []byte("mark")) {
					t.Errorf("a refusal shows a token: %s", out)
				}
			}
		case err != nil:
			t.Errorf("answered a request that cannot be read: %v", err)
		case said.Ok.Token == "Bearer mark":
			if !SameIndex(r.Index, grants[0].Index) || r.Operation == "publish" && (r.Crate != "core" || r.Version != "1.2.3") {
				t.Errorf("gave the feed's token for %+v", r)
			}
		case said.Ok.Token == "cio-mark":
			if !SameIndex(r.Index, grants[1].Index) || r.Operation != "read" {
				t.Errorf("gave the token of crates.io for %+v", r)
			}
		}
	})
}
