package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tagboat/tagboat/internal/forge/wire"
	"github.com/tagboat/tagboat/internal/secret"
)

const canary = "ghs_canary"

func token(context.Context) (secret.Value, error) { return secret.New(canary), nil }

func newClient(t *testing.T, o wire.Options) *wire.Client {
	t.Helper()
	o.Owner, o.Repo = "o", "r"
	if o.Token == nil {
		o.Token = token
	}
	c, err := wire.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// roundTrip is a transport in memory, which a virtual clock can wait for.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, body string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

func get(c *wire.Client) wire.Call {
	return wire.Call{Op: "read thing", Method: "GET", Path: c.Root() + "/thing"}
}

func TestNewRefusesBadOptions(t *testing.T) {
	tests := map[string]wire.Options{
		"no owner":            {Repo: "r"},
		"path in the name":    {Owner: "o", Repo: "../x"},
		"dots":                {Owner: "o", Repo: ".."},
		"relative address":    {Owner: "o", Repo: "r", APIURL: "api.github.com"},
		"token in the clear":  {Owner: "o", Repo: "r", APIURL: "http://api.github.com"},
		"credentials":         {Owner: "o", Repo: "r", APIURL: "https://u:p@github.test"},
		"loopback look-alike": {Owner: "o", Repo: "r", APIURL: "http://127.0.0.1.evil.com"},
		"other scheme":        {Owner: "o", Repo: "r", APIURL: "ftp://github.test"},
		"query":               {Owner: "o", Repo: "r", APIURL: "https://github.test/?x=1"},
		"upload address":      {Owner: "o", Repo: "r", UploadURL: "http://uploads.github.com"},
	}
	for name, o := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := wire.New(o); err == nil {
				t.Errorf("New(%+v): got no error", o)
			}
		})
	}
}

func TestAddresses(t *testing.T) {
	tests := map[string]struct{ api, uploadURL, want string }{
		"github.com":        {"", "https://uploads.github.com/repos/o/r/releases/1/assets{?name,label}", "https://uploads.github.com/repos/o/r/releases/1/assets?name=a+b.crate"},
		"enterprise cloud":  {"https://api.acme.ghe.com", "https://uploads.acme.ghe.com/x{?name,label}", "https://uploads.acme.ghe.com/x?name=a+b.crate"},
		"enterprise server": {"https://ghe.test/api/v3", "https://ghe.test/api/uploads/x{?name,label}", "https://ghe.test/api/uploads/x?name=a+b.crate"},
		"embedded":          {"http://127.0.0.1:4000", "http://127.0.0.1:4000/up/x{?name,label}", "http://127.0.0.1:4000/up/x?name=a+b.crate"},
		"other host":        {"", "https://uploads.github.com.evil.test/x{?name}", ""},
		"other port":        {"http://127.0.0.1:4000", "http://127.0.0.1:4001/x", ""},
		"downgrade":         {"https://ghe.test/api/v3", "http://ghe.test/x", ""},
		"none":              {"", "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got, api string
			c := newClient(t, wire.Options{APIURL: tt.api, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Method == "POST" {
					got = r.URL.String()
					io.Copy(io.Discard, r.Body)
				} else {
					api = r.URL.String()
				}
				return answer(201, `{}`), nil
			})}})
			opened := false
			err := c.Upload(t.Context(), wire.Upload{Op: "upload", Template: tt.uploadURL, Name: "a b.crate", Size: 1, Open: func() (io.ReadCloser, error) {
				opened = true
				return io.NopCloser(strings.NewReader("x")), nil
			}})
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got upload to %q, error %v, want %q", got, err, tt.want)
			}
			if tt.want == "" && opened {
				t.Error("the file was opened though there was nowhere to send it")
			}
			base := tt.api
			if base == "" {
				base = "https://api.github.com"
			}
			if _, err := c.Do(t.Context(), get(c)); err != nil || api != base+"/repos/o/r/thing" {
				t.Errorf("got request to %q, error %v, want %s/repos/o/r/thing", api, err, base)
			}
		})
	}
}

func TestClasses(t *testing.T) {
	now := time.Now()
	at := func(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }
	date := func(d time.Duration) string { return now.Add(d).UTC().Format(http.TimeFormat) }
	tests := map[string]struct {
		resp  *http.Response
		want  wire.Class
		text  string        // part of the message
		retry time.Duration // from now, 0 for none
	}{
		"not found":              {answer(404, `{"message":"Not Found","documentation_url":"https://docs.github.com/rest","status":"404"}`), wire.NotFound, "404 Not Found", 0},
		"gone":                   {answer(410, `{"message":"Issues are disabled for this repo"}`), wire.NotFound, "Issues are disabled", 0},
		"bad credentials":        {answer(401, `{"message":"Bad credentials"}`), wire.Denied, "401 Bad credentials", 0},
		"permission":             {answer(403, `{"message":"Resource not accessible by integration"}`, "X-Accepted-GitHub-Permissions", "contents=write; contents=write,workflows=write"), wire.Denied, "(accepted permissions: contents=write; contents=write,workflows=write)", 0},
		"blocked":                {answer(451, `{"message":"Repository access blocked"}`), wire.Denied, "blocked", 0},
		"one-time password":      {answer(401, `{"message":"Must specify two-factor authentication OTP code."}`, "X-GitHub-OTP", "required; app"), wire.Denied, "two-factor", 0},
		"conflict":               {answer(409, `{"message":"Git Repository is empty."}`), wire.Conflict, "empty", 0},
		"already exists":         {answer(422, `{"message":"Validation Failed","errors":[{"resource":"ReleaseAsset","code":"already_exists","field":"name"}]}`), wire.Conflict, "Validation Failed; ReleaseAsset.name already_exists", 0},
		"validation, all of it":  {answer(422, `{"message":"Validation Failed","errors":[{"resource":"Release","code":"custom","field":"tag_name","message":"tag_name was used by an immutable release"},"second",{"message":"third"}]}`), wire.Refused, "Release.tag_name custom tag_name was used by an immutable release; second; third", 0},
		"errors as one string":   {answer(422, `{"message":"Validation Failed","errors":"Cannot create ref due to creations being restricted"}`), wire.Refused, "creations being restricted", 0},
		"no JSON":                {answer(422, `<html>`), wire.Refused, "422 Unprocessable Entity", 0},
		"primary limit":          {answer(403, `{"message":"API rate limit exceeded"}`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", at(10*time.Minute)), wire.RateLimited, "rate limit exceeded", 10 * time.Minute},
		"primary limit as 429":   {answer(429, `{"message":"API rate limit exceeded"}`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", at(10*time.Minute)), wire.RateLimited, "", 10 * time.Minute},
		"server's clock ahead":   {answer(429, `{}`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", at(70*time.Minute), "Date", date(time.Hour)), wire.RateLimited, "", 10 * time.Minute},
		"reset in the past":      {answer(429, `{}`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", at(-time.Minute)), wire.RateLimited, "", time.Minute},
		"secondary limit":        {answer(403, `{"message":"You have exceeded a secondary rate limit"}`, "Retry-After", "90"), wire.RateLimited, "", 90 * time.Second},
		"secondary, remaining":   {answer(429, `{}`, "Retry-After", "90", "X-RateLimit-Remaining", "4000"), wire.RateLimited, "", 90 * time.Second},
		"secondary, by link":     {answer(403, `{"message":"x","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`), wire.RateLimited, "", time.Minute},
		"limit with a date":      {answer(429, `{}`, "Retry-After", date(time.Hour+30*time.Second), "Date", date(time.Hour)), wire.RateLimited, "", 30 * time.Second},
		"bad gateway":            {answer(502, `<html>Unicorn</html>`), wire.Transient, "502 Bad Gateway", 0},
		"unavailable, with time": {answer(503, `{"message":"Service Unavailable"}`, "Retry-After", "5"), wire.Transient, "", 5 * time.Second},
		"request timeout":        {answer(408, ``), wire.Transient, "408", 0},
		"accepted":               {answer(202, `{}`), wire.Transient, "202", 0},
		"moved":                  {answer(301, `{"message":"Moved Permanently"}`, "Location", "https://elsewhere.test/x?sig=1"), wire.Refused, "301 Moved Permanently", 0},
		"control characters":     {answer(422, `{"message":"a\u001b[31mb\nc"}`), wire.Refused, "422 a [31mb c", 0},
		"not what was asked":     {answer(200, `<html>`), wire.Refused, "invalid character", 0},
		"wrong shape":            {answer(200, `{"id":"seven"}`), wire.Refused, "cannot unmarshal", 0},
		"cut off":                {answer(200, `{"id":7`), wire.Transient, "unexpected EOF", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, wire.Options{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return tt.resp, nil })}})
			call := get(c)
			call.Out = &struct {
				ID int64 `json:"id"`
			}{}
			_, err := c.Do(t.Context(), call)
			var e *wire.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Class != tt.want || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %s, %q, want %s with %q", e.Class, err, tt.want, tt.text)
			}
			if !strings.HasPrefix(err.Error(), "read thing in o/r: ") {
				t.Errorf("got %q, want the operation first", err)
			}
			if wait := e.RetryTime().Sub(now); tt.retry == 0 != e.RetryAt.IsZero() || tt.retry != 0 && (wait < tt.retry-2*time.Second || wait > tt.retry+5*time.Second) {
				t.Errorf("got a wait of %s (%v), want %s", wait, e.RetryAt, tt.retry)
			}
			if got, want := e.Retryable(), tt.want == wire.Transient || tt.want == wire.RateLimited; got != want {
				t.Errorf("got retryable %v, want %v", got, want)
			}
		})
	}
}

func TestBrokenExchanges(t *testing.T) {
	cause := errors.New("connection reset by peer")
	c := newClient(t, wire.Options{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, cause })}})
	_, err := c.Do(t.Context(), get(c))
	var e *wire.Error
	if !errors.As(err, &e) || e.Class != wire.Transient || !errors.Is(err, cause) || strings.Contains(err.Error(), "https://") {
		t.Errorf("got %v, want Transient with the cause and no URL", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.Do(ctx, get(c))
	if !errors.As(err, &e) || e.Class != wire.Interrupted || !errors.Is(err, context.Canceled) || e.Retryable() {
		t.Errorf("got %v, want Interrupted", err)
	}

	mint := errors.New("mint failed")
	c = newClient(t, wire.Options{Token: func(context.Context) (secret.Value, error) { return secret.Value{}, mint }})
	_, err = c.Do(t.Context(), get(c))
	if !errors.Is(err, mint) || errors.As(err, &e) {
		t.Errorf("got %#v, want the token's own error without a class", err)
	}
}

// A limit that one token used up says nothing about the next one, and go-github must not answer in GitHub's place.
func TestLimitIsAskedAgain(t *testing.T) {
	calls := 0
	c := newClient(t, wire.Options{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		if calls++; calls == 1 {
			return answer(403, `{}`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", fmt.Sprint(time.Now().Add(time.Hour).Unix())), nil
		}
		return answer(200, `{}`), nil
	})}})
	if _, err := c.Do(t.Context(), get(c)); err == nil {
		t.Error("got no error, want the limit")
	}
	if _, err := c.Do(t.Context(), get(c)); err != nil || calls != 2 {
		t.Errorf("got %v after %d requests, want the second one sent", err, calls)
	}
}

func TestTooLargeAnswer(t *testing.T) {
	for _, status := range []int{200, 500} {
		var read int64
		c := newClient(t, wire.Options{HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			resp := answer(status, "")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`"`), counter{&read}))
			return resp, nil
		})}})
		call := get(c)
		call.Out = new(string)
		_, err := c.Do(t.Context(), call)
		if err == nil || read > 64<<20 {
			t.Errorf("%d: got %v after %d bytes, want an end at the limit", status, err, read)
		}
		if status == 200 && !errors.Is(err, wire.ErrTooLarge) {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
	}
}

// counter is an endless stream of the letter a.
type counter struct{ n *int64 }

func (c counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	*c.n += int64(len(p))
	return len(p), nil
}

// Wherever an answer points, the token stays with the API.
func TestRedirectsNeverCarryTheToken(t *testing.T) {
	var mu sync.Mutex
	leaks, visits := 0, 0
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		visits++
		for name, values := range r.Header {
			if strings.Contains(strings.Join(values, " "), canary) {
				leaks++
				t.Errorf("%s carries the token to another host", name)
			}
		}
		if strings.Contains(r.URL.String(), canary) {
			t.Error("the URL carries the token to another host")
		}
		io.WriteString(w, "stored bytes")
	}))
	defer foreign.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+canary {
			t.Errorf("%s %s: got Authorization %q, want the token", r.Method, r.URL, r.Header.Get("Authorization"))
		}
		switch r.URL.Path {
		case "/repos/o/r/away":
			http.Redirect(w, r, foreign.URL+"/away", http.StatusTemporaryRedirect)
		case "/repos/o/r/asset":
			http.Redirect(w, r, foreign.URL+"/storage?sig=1", http.StatusFound)
		case "/repos/o/r/renamed":
			http.Redirect(w, r, "/repositories/7/thing", http.StatusMovedPermanently)
		case "/repositories/7/thing":
			io.WriteString(w, `{"method":"`+r.Method+`"}`)
		}
	}))
	defer api.Close()
	c := newClient(t, wire.Options{APIURL: api.URL})

	for _, method := range []string{"GET", "POST"} {
		_, err := c.Do(t.Context(), wire.Call{Op: "x", Method: method, Path: c.Root() + "/away", Body: map[string]int{"a": 1}})
		var e *wire.Error
		if !errors.As(err, &e) || e.Class != wire.Refused || visits != 0 {
			t.Errorf("%s to another host: got %v and %d visits, want Refused and none", method, err, visits)
		}
	}
	err := c.Upload(t.Context(), wire.Upload{Op: "up", Template: api.URL + "/repos/o/r/away", Name: "x", Size: 1, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("x")), nil
	}})
	if err == nil || visits != 0 {
		t.Errorf("upload that is sent away: got %v and %d visits, want an error and none", err, visits)
	}

	body, err := c.Download(t.Context(), "download", c.Root()+"/asset")
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if string(got) != "stored bytes" || err != nil || visits != 1 {
		t.Errorf("download: got %q, %v, %d visits", got, err, visits)
	}
	body.Close()

	var out struct{ Method string }
	if _, err := c.Do(t.Context(), wire.Call{Op: "x", Method: "GET", Path: c.Root() + "/renamed", Out: &out}); err != nil || out.Method != "GET" {
		t.Errorf("renamed repository: got %+v, %v, want the answer behind the redirect", out, err)
	}
	// 301 would turn the POST into a GET, whose answer would pass for success.
	if _, err := c.Do(t.Context(), wire.Call{Op: "x", Method: "POST", Path: c.Root() + "/renamed", Out: &out}); err == nil {
		t.Error("write to a renamed repository: got no error")
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var starts []time.Time
		inFlight, most := 0, 0
		c := newClient(t, wire.Options{Pace: wire.Pace{Concurrent: 3}, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			inFlight++
			most = max(most, inFlight)
			if r.Method != "GET" {
				starts = append(starts, time.Now())
			}
			mu.Unlock()
			time.Sleep(10 * time.Second)
			mu.Lock()
			inFlight--
			mu.Unlock()
			return answer(200, `{}`), nil
		})}})
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				call := get(c)
				if i%2 == 0 {
					call.Method = "POST"
				}
				if _, err := c.Do(t.Context(), call); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most != 3 {
			t.Errorf("got %d requests at once, want 3", most)
		}
		if len(starts) != 6 {
			t.Fatalf("got %d writes, want 6", len(starts))
		}
		for i := range starts[1:] {
			if got := starts[i+1].Sub(starts[i]); got < time.Second {
				t.Errorf("got %s between writes %d and %d, want at least a second", got, i, i+1)
			}
		}
	})
}

func TestPaceKeepsWritesApart(t *testing.T) {
	tests := map[string]struct {
		api  string
		pace wire.Pace
		want time.Duration // between the first and the last of 5 writes
	}{
		"github.com":    {"", wire.Pace{}, 4 * time.Second},
		"other host":    {"https://ghe.test/api/v3", wire.Pace{}, 0},
		"set":           {"https://ghe.test/api/v3", wire.Pace{WriteEvery: 3 * time.Second}, 12 * time.Second},
		"set to nought": {"", wire.Pace{WriteEvery: -1}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, wire.Options{APIURL: tt.api, Pace: tt.pace, HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					return answer(200, `{}`), nil
				})}})
				begin := time.Now()
				for range 5 {
					call := get(c)
					call.Method = "PATCH"
					if _, err := c.Do(t.Context(), call); err != nil {
						t.Fatal(err)
					}
				}
				if got := time.Since(begin); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				call := get(c)
				call.Method = "POST"
				if _, err := c.Do(ctx, call); tt.want > 0 && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want the wait to end with its context", err)
				}
			})
		})
	}
}

func TestSilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, wire.Options{HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}})
		begin := time.Now()
		_, err := c.Do(t.Context(), get(c))
		var e *wire.Error
		if !errors.As(err, &e) || e.Class != wire.Transient || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want Transient, and no error of the caller's context", err)
		}
		if got := time.Since(begin); got != time.Minute {
			t.Errorf("got a wait of %s, want a minute", got)
		}
	})
}
