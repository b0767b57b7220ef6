// Package credential is Tagboat as a credential provider of cargo: cargo asks a program for a token instead of reading one
// from its environment. It holds the protocol, who may ask for what, and the session that a token lives in.
//
// The protocol is https://doc.rust-lang.org/cargo/reference/credential-provider-protocol.html.
package credential

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tagboat/tagboat/internal/secret"
)

// MaxLine is the longest line of cargo's that is read, in bytes. Cargo passes on the headers of an answer.
const MaxLine = 1 << 20

// Request is one thing that cargo asks.
type Request struct {
	Kind      string // "get", "login", "logout"
	Index     string // the registry's index, as cargo names it: its identity
	Name      string // what the registry is called where cargo runs, "" where it has no name; a word of the repository's
	Operation string // with "get": "read", "publish", "yank", "unyank", "owners"
	Crate     string // with "get", but for "read"
	Version   string
	Args      []string // what stands after the program in cargo's configuration
}

// Answer is a token.
type Answer struct {
	Token   secret.Value // the whole Authorization header
	Expires time.Time    // zero: unknown
	Once    bool         // cargo shall ask again for each operation
}

// Refusal is an error that cargo understands.
type Refusal struct {
	Kind    string // "url-not-supported", "not-found", "operation-not-supported", "other"
	Message string // with "other"
}

// Error returns what the refusal means.
func (r *Refusal) Error() string {
	if r.Message != "" {
		return r.Message
	}
	return r.Kind
}

// The refusals that need no words.
var (
	// ErrElsewhere: this provider is not for that registry, and cargo asks the next one.
	ErrElsewhere = &Refusal{Kind: "url-not-supported"}
	// ErrNone: the registry is one of this provider's, and it has no token.
	ErrNone = &Refusal{Kind: "not-found"}
)

// wireRequest is a request on the wire. A login's token is not read at all.
type wireRequest struct {
	V        *int `json:"v"`
	Registry *struct {
		IndexURL string `json:"index-url"`
		Name     string `json:"name"`
	} `json:"registry"`
	Kind      string   `json:"kind"`
	Operation string   `json:"operation"`
	Name      string   `json:"name"`
	Vers      string   `json:"vers"`
	Args      []string `json:"args"`
}

// Parse reads a line of cargo's. Its error is for people and holds nothing of the line.
func Parse(line []byte) (Request, error) {
	var w wireRequest
	if err := json.Unmarshal(line, &w); err != nil {
		return Request{}, errors.New("the request is no JSON that a credential provider is sent")
	}
	switch {
	case w.V == nil || *w.V != 1:
		return Request{}, errors.New("the request is of another version of the protocol than 1")
	case w.Registry == nil || w.Registry.IndexURL == "":
		return Request{}, errors.New("the request names no registry")
	case w.Kind == "get" && w.Operation == "":
		return Request{}, errors.New("the request names no operation")
	}
	return Request{Kind: w.Kind, Index: w.Registry.IndexURL, Name: w.Registry.Name, Operation: w.Operation, Crate: w.Name, Version: w.Vers, Args: w.Args}, nil
}

type wireAnswer struct {
	Kind        string `json:"kind"`
	Token       string `json:"token"`
	Cache       string `json:"cache"`
	Expiration  int64  `json:"expiration,omitempty"`
	Independent bool   `json:"operation_independent"`
}

type wireRefusal struct {
	Kind    string `json:"kind"`
	Message string `json:"message,omitempty"`
}

// Respond answers one line: what it returns is a line of the protocol, with the token in it in plain where there is one.
func Respond(line []byte, ask func(Request) (Answer, error)) []byte {
	r, err := Parse(line)
	var a Answer
	if err == nil {
		a, err = ask(r)
	}
	if err == nil && a.Token.IsZero() {
		err = ErrNone
	}
	var out any
	if err != nil {
		refusal := &Refusal{Kind: "other", Message: "tagboat: " + err.Error()}
		errors.As(err, &refusal)
		out = map[string]any{"Err": wireRefusal{Kind: refusal.Kind, Message: refusal.Message}}
	} else {
		w := wireAnswer{Kind: "get", Token: a.Token.Reveal(), Cache: "session"}
		switch {
		case a.Once:
			w.Cache = "never"
		case !a.Expires.IsZero():
			w.Cache, w.Expiration = "expires", a.Expires.Unix()
		}
		out = map[string]any{"Ok": w}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return []byte(`{"Err":{"kind":"other","message":"tagboat: the answer cannot be written"}}` + "\n")
	}
	return b.Bytes()
}

// Serve speaks the protocol with cargo until it has no more to ask. respond is given one line and returns one.
func Serve(in io.Reader, out io.Writer, respond func(line []byte) []byte) error {
	if _, err := io.WriteString(out, "{\"v\":[1]}\n"); err != nil {
		return fmt.Errorf("greet cargo: %w", err)
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, MaxLine)
	for lines.Scan() {
		if _, err := out.Write(respond(lines.Bytes())); err != nil {
			return fmt.Errorf("answer cargo: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read what cargo asks: %w", err)
	}
	return nil
}
