package registry

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/tagboat/tagboat/internal/registry/index"
	"github.com/tagboat/tagboat/internal/registry/wire"
	"github.com/tagboat/tagboat/internal/secret"
)

// Config is a registry's config.json.
type Config = index.Config

// Entry is one version of a crate in the index.
type Entry = index.Entry

// Dep is a dependency in the index.
type Dep = index.Dep

// Find returns the entry of version. Build metadata is not compared: no registry may hold two versions that differ in it
// alone, and cargo takes them for one.
func Find(entries []Entry, version string) (Entry, bool) { return index.Find(entries, version) }

// IndexPath returns where the index keeps a crate.
func IndexPath(name string) (string, error) { return index.Path(name) }

type cached struct {
	etag, modified string
	entries        []Entry
}

// Config returns the registry's config.json. It is asked for once; a registry that answers 401 is asked again with the
// token.
func (c *Client) Config(ctx context.Context) (Config, error) {
	c.mu.Lock()
	known := c.config
	c.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	config, _, err := c.fetchConfig(ctx)
	return config, err
}

// fetchConfig asks for config.json and reports whether the token was needed for it.
func (c *Client) fetchConfig(ctx context.Context) (config Config, usedToken bool, err error) {
	k := wire.Call{Op: "read config.json", Method: http.MethodGet, URL: c.registry.URL + "config.json", Timeout: metaTimeout, Limit: maxConfig}
	resp, body, err := c.readOpenly(ctx, &k)
	if err != nil {
		return Config{}, false, err
	}
	if resp.StatusCode != http.StatusOK {
		return Config{}, false, c.wire.StatusError(k, resp, body)
	}
	if config, err = index.ParseConfig(body); err == nil {
		err = c.checkAddresses(config)
	}
	if err != nil {
		return Config{}, false, &Error{Registry: c.registry.Name, Op: k.Op, Status: resp.StatusCode, Class: Refused, Err: err}
	}
	c.mu.Lock()
	c.config = &config
	c.mu.Unlock()
	return config, !k.Token.IsZero(), nil
}

// readOpenly reads without the token and, told 401, with it. A call that has the token already sends it at once.
func (c *Client) readOpenly(ctx context.Context, k *wire.Call) (*http.Response, []byte, error) {
	resp, body, err := c.wire.Read(ctx, *k)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !k.Token.IsZero() {
		return resp, body, err
	}
	token, err := c.Token(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("%s at registry %s: token: %w", k.Op, c.registry.Name, err)
	}
	if token.IsZero() {
		return resp, body, nil
	}
	k.Token = token
	return c.wire.Read(ctx, *k)
}

// checkAddresses refuses a configuration that would take the token from https to an open line.
func (c *Client) checkAddresses(config Config) error {
	if !strings.HasPrefix(c.registry.URL, "https:") {
		return nil
	}
	for _, address := range []string{config.API, config.DL} {
		if strings.HasPrefix(address, "http:") {
			return fmt.Errorf("config.json of an https index names the address %s, which is not https", address)
		}
	}
	return nil
}

// Lookup returns every version of a crate that the index holds, yanked ones too, in the index's order; nil where the
// crate is absent. An unchanged file is not sent again: ETag and Last-Modified are remembered for the client's life.
func (c *Client) Lookup(ctx context.Context, name string) ([]Entry, error) {
	k, err := c.lookupCall(ctx, name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	old, found := c.cache[name]
	c.mu.Unlock()
	if found {
		k.Header = http.Header{}
		if old.etag != "" {
			k.Header.Set("If-None-Match", old.etag)
		} else if old.modified != "" {
			k.Header.Set("If-Modified-Since", old.modified)
		}
	}
	resp, body, err := c.readOpenly(ctx, &k)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		if found {
			return cloneEntries(old.entries), nil
		}
		return nil, c.wire.StatusError(k, resp, body)
	case http.StatusNotFound, http.StatusGone, http.StatusUnavailableForLegalReasons:
		c.forget(name)
		return nil, nil
	default:
		return nil, c.lookupError(k, resp, body)
	}
	entries, err := index.Parse(name, body)
	if err != nil {
		// A half-written file on a content network is whole a moment later.
		return nil, &Error{Registry: c.registry.Name, Op: k.Op, Status: resp.StatusCode, Class: Transient, Err: err}
	}
	fresh := cached{etag: resp.Header.Get("ETag"), modified: resp.Header.Get("Last-Modified"), entries: entries}
	if fresh.etag == "" && fresh.modified == "" {
		c.forget(name)
		return cloneEntries(entries), nil
	}
	c.mu.Lock()
	c.cache[name] = fresh
	c.mu.Unlock()
	return cloneEntries(entries), nil
}

// lookupError explains a 401 of an Azure feed: with an upstream, it is also the answer for a crate that nobody has fetched
// through the feed yet, to whoever may not save it. So it says neither that the crate is there nor that it is not.
func (c *Client) lookupError(k wire.Call, resp *http.Response, body []byte) error {
	e := c.wire.StatusError(k, resp, body)
	if c.registry.Kind == KindAzure && e.Class == Denied {
		e.Detail = strings.TrimPrefix(e.Detail+"; ", "; ") + "the feed answers so, too, for a crate that was not yet saved from its upstream: a token that may save it (Packaging, read and write) tells"
	}
	return e
}

func (c *Client) lookupCall(ctx context.Context, name string) (wire.Call, error) {
	path, err := IndexPath(name)
	if err != nil {
		return wire.Call{}, fmt.Errorf("look up in registry %s: %w", c.registry.Name, err)
	}
	k := wire.Call{Op: "look up " + name, Method: http.MethodGet, URL: c.registry.URL + path, Timeout: metaTimeout, Limit: maxIndex}
	k.Token, err = c.readToken(ctx, k.Op)
	return k, err
}

// readToken returns the token where reading needs one.
func (c *Client) readToken(ctx context.Context, op string) (secret.Value, error) {
	config, err := c.Config(ctx)
	if err != nil || !config.AuthRequired {
		return secret.Value{}, err
	}
	return c.needToken(ctx, op)
}

// needToken returns the token; having none is Denied.
func (c *Client) needToken(ctx context.Context, op string) (secret.Value, error) {
	token, err := c.Token(ctx)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s at registry %s: token: %w", op, c.registry.Name, err)
	}
	if token.IsZero() {
		return secret.Value{}, &Error{Registry: c.registry.Name, Op: op, Class: Denied, Detail: "no token is configured, and this needs one"}
	}
	return token, nil
}

// uploadToken returns the token for the upload of a crate: of trusted publishing where there is that and the crate
// exists, which is all that it is good for.
func (c *Client) uploadToken(ctx context.Context, op, crate, api string) (secret.Value, error) {
	if c.options.Trusted == nil {
		return c.needToken(ctx, op)
	}
	c.mu.Lock()
	known := len(c.cache[crate].entries) > 0
	c.mu.Unlock()
	if !known {
		entries, err := c.Lookup(ctx, crate)
		if err != nil {
			return secret.Value{}, err
		}
		known = len(entries) > 0
	}
	if !known {
		return c.needToken(ctx, op)
	}
	token, err := c.options.Trusted(ctx, api)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s at registry %s: token: %w", op, c.registry.Name, err)
	}
	return token, nil
}

// Login makes the token of trusted publishing that the next uploads use, where there is that: whoever asks before the
// first of them meets a refusal before anything is public.
func (c *Client) Login(ctx context.Context) error {
	if c.options.Trusted == nil {
		return nil
	}
	config, err := c.apiConfig(ctx, "log in")
	if err != nil {
		return err
	}
	if _, err := c.options.Trusted(ctx, config.API); err != nil {
		return fmt.Errorf("log in to registry %s: %w", c.registry.Name, err)
	}
	return nil
}

func (c *Client) forget(name string) {
	c.mu.Lock()
	delete(c.cache, name)
	c.mu.Unlock()
}

func cloneEntries(entries []Entry) []Entry { return append([]Entry{}, entries...) }

// IndexFile reads the bytes of a crate's index file; the status is that of the registry.
func (c *Client) IndexFile(ctx context.Context, crate string) (body []byte, status int, err error) {
	k, err := c.lookupCall(ctx, crate)
	if err != nil {
		return nil, 0, err
	}
	resp, body, err := c.readOpenly(ctx, &k)
	if err != nil {
		return nil, 0, err
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		return nil, 0, c.wire.StatusError(k, resp, body)
	}
	return body, resp.StatusCode, nil
}
