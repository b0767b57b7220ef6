package registry

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tagboat/tagboat/internal/registry/kind"
	"github.com/tagboat/tagboat/internal/registry/wire"
	"github.com/tagboat/tagboat/internal/secret"
)

// Options wires a Client. The zero value reads anonymously through a transport of its own.
type Options struct {
	HTTP *http.Client // its transport and jar are used; redirects and deadlines are the Client's own
	// Token returns the token as a person stored it; Kind.Authorize makes the header of it. It is asked once per request, so
	// that it may mint or renew; a zero value means that there is none.
	Token func(context.Context) (secret.Value, error)
	// Trusted returns a token of trusted publishing, which publishes versions of crates that exist already. It is asked for
	// each upload of a crate that the index knows, with the address of the web API; new crates go by Token. Nil: all do.
	Trusted   func(ctx context.Context, api string) (secret.Value, error)
	UserAgent string // default "tagboat"
	// Hide gets each value that is made of a token before it is sent, for whoever masks output. May be nil.
	Hide func(secret.Value)
	// Warn gets sentences that a person should see, such as a token with a line break at its end. May be nil.
	Warn func(string)
	// Progress gets the bytes of an upload as they leave, under the context of the Publish call. May be nil.
	Progress func(ctx context.Context, done, total int64)
}

const (
	metaTimeout = 60 * time.Second // index, configuration, small API calls
	maxAnswer   = 1 << 20          // API answers
	maxConfig   = 64 << 10         // config.json
	maxIndex    = 64 << 20         // one crate's index file
	uploadFloor = 32 << 10         // bytes per second below which an upload or download is given up
)

// Client is bound to one registry. It is safe for concurrent use.
type Client struct {
	registry Registry
	options  Options
	wire     *wire.Client

	mu     sync.Mutex
	config *Config
	cache  map[string]cached
	stored secret.Value // the token as Options.Token gave it last, and what became of it
	ready  secret.Value
}

// NewClient returns a client for r.
func NewClient(r Registry, o Options) *Client {
	if o.UserAgent == "" {
		o.UserAgent = "tagboat"
	}
	r.URL = withSlash(r.URL)
	return &Client{registry: r, options: o, wire: wire.New(r.Name, o.UserAgent, o.HTTP), cache: map[string]cached{}}
}

// Registry returns the registry that the client was made for.
func (c *Client) Registry() Registry { return c.registry }

// CleanToken prepares a token for use as an Authorization header: blanks and line breaks around it, which editors and
// `echo` leave in secrets, are cut off with a warning for people; anything else that a header cannot carry is an error.
// Neither text shows the token.
func CleanToken(token string) (value secret.Value, warning string, err error) {
	clean, warning, err := kind.Clean(token)
	return secret.New(clean), warning, err
}

// Token returns the value of the Authorization header, or a zero value where there is no token.
func (c *Client) Token(ctx context.Context) (secret.Value, error) {
	if c.options.Token == nil {
		return secret.Value{}, nil
	}
	v, err := c.options.Token(ctx)
	if err != nil || v.IsZero() {
		return secret.Value{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ready.IsZero() && c.stored.Equal(v) {
		return c.ready, nil
	}
	value, warnings, err := c.registry.Kind.Authorize(v.Reveal())
	if err != nil {
		return secret.Value{}, err
	}
	if c.options.Hide != nil {
		c.options.Hide(value)
	}
	for _, w := range warnings {
		if c.options.Warn != nil {
			c.options.Warn(fmt.Sprintf("registry %s: %s", c.registry.Name, w))
		}
	}
	c.stored, c.ready = v, value
	return value, nil
}

// deadline returns how long a transfer of size bytes may take.
func deadline(size int64) time.Duration {
	return 3*time.Minute + time.Duration(size/uploadFloor)*time.Second
}
