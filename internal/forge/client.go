// Package forge talks to GitHub about one repository: refs, contents, issues, releases and their assets, workflow runs.
//
// It is an adapter. Every method is one operation of GitHub's REST API with the traps of that operation taken care of,
// and every error is an *Error with a Class. It holds no policy: it does not retry, it does not clean up, it does not
// decide. Callers look, compare, act, and look again.
//
// The token is asked for with every request and is sent to the API's own origin and to the configured upload origin,
// nowhere else. Downloads that GitHub redirects to a storage host are fetched without it.
//
// https://docs.github.com/en/rest
package forge

import (
	"errors"

	"github.com/tagboat/tagboat/internal/forge/wire"
)

// Options says which repository on which GitHub, and how to reach it.
type Options = wire.Options

// Pace bounds what a client sends at once.
type Pace = wire.Pace

// Error is a request that did not give what was asked. Every error of this package is one, except those of the token
// function and of an upload's own file, which are only wrapped, and ErrTruncated.
type Error = wire.Error

// Class says what an error means for whoever must decide what to do next.
type Class = wire.Class

// The classes of errors.
const (
	Refused     = wire.Refused
	Transient   = wire.Transient
	RateLimited = wire.RateLimited
	Denied      = wire.Denied
	NotFound    = wire.NotFound
	Conflict    = wire.Conflict
	Interrupted = wire.Interrupted
)

// IsNotFound reports whether err is an *Error of class NotFound.
func IsNotFound(err error) bool { return isClass(err, NotFound) }

// IsConflict reports whether err is an *Error of class Conflict.
func IsConflict(err error) bool { return isClass(err, Conflict) }

// IsDenied reports whether err is an *Error of class Denied.
func IsDenied(err error) bool { return isClass(err, Denied) }

func isClass(err error, c Class) bool {
	var e *Error
	return errors.As(err, &e) && e.Class == c
}

// Client is bound to one repository. It is safe for concurrent use.
type Client struct{ wire *wire.Client }

// New returns a client. The error is about the options; nothing is sent.
func New(o Options) (*Client, error) {
	w, err := wire.New(o)
	if err != nil {
		return nil, err
	}
	return &Client{wire: w}, nil
}

// Slug returns "owner/name" as the client was given it.
func (c *Client) Slug() string { return c.wire.Slug() }
