package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/tagboat/tagboat/internal/registry/cratefile"
	"github.com/tagboat/tagboat/internal/registry/wire"
	"github.com/tagboat/tagboat/internal/semver"
)

// Yank keeps new lockfiles from choosing a version. Yanking a yanked version changes nothing.
func (c *Client) Yank(ctx context.Context, name, version string) error {
	return c.setYanked(ctx, "yank", http.MethodDelete, name, version)
}

// Unyank undoes Yank.
func (c *Client) Unyank(ctx context.Context, name, version string) error {
	return c.setYanked(ctx, "unyank", http.MethodPut, name, version)
}

func (c *Client) setYanked(ctx context.Context, verb, method, name, version string) error {
	k := wire.Call{Op: fmt.Sprintf("%s %s %s", verb, name, version), Method: method, Timeout: metaTimeout, Write: true, Limit: maxAnswer}
	if err := checkNouns(name, version); err != nil {
		return fmt.Errorf("%s at registry %s: %w", k.Op, c.registry.Name, err)
	}
	config, err := c.apiConfig(ctx, k.Op)
	if err != nil {
		return err
	}
	if k.Token, err = c.needToken(ctx, k.Op); err != nil {
		return err
	}
	k.URL = fmt.Sprintf("%s/api/v1/crates/%s/%s/%s", config.API, name, url.PathEscape(version), verb)
	k.Header = http.Header{"Accept": {"application/json"}}
	resp, answer, err := c.wire.Read(ctx, k)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 || wire.ReportsErrors(answer) {
		return c.wire.StatusError(k, resp, answer)
	}
	return nil
}

func checkNouns(name, version string) error {
	if err := cratefile.CheckName(name); err != nil {
		return err
	}
	_, err := semver.Parse(version)
	return err
}

// maxDownload bounds a .crate on its way in.
const maxDownload = 512 << 20

// Download writes the .crate of an index entry to w and returns its size. What was written is the crate only if the error
// is nil: the checksum is known at the end.
func (c *Client) Download(ctx context.Context, e Entry, w io.Writer) (int64, error) {
	k := wire.Call{Op: fmt.Sprintf("download %s %s", e.Name, e.Version), Method: http.MethodGet, Timeout: deadline(maxDownload)}
	if err := checkNouns(e.Name, e.Version); err != nil {
		return 0, fmt.Errorf("%s from registry %s: %w", k.Op, c.registry.Name, err)
	}
	config, err := c.Config(ctx)
	if err != nil {
		return 0, err
	}
	if k.Token, err = c.readToken(ctx, k.Op); err != nil {
		return 0, err
	}
	k.URL = config.Download(e)
	resp, cancel, err := c.wire.Do(ctx, k)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode == http.StatusUnauthorized && k.Token.IsZero() {
		// A feed that reads openly may hold back what it has not saved from its upstream.
		if token, err := c.Token(ctx); err == nil && !token.IsZero() {
			resp.Body.Close()
			cancel()
			k.Token = token
			if resp, cancel, err = c.wire.Do(ctx, k); err != nil {
				return 0, err
			}
		}
	}
	defer cancel()
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		return 0, c.wire.StatusError(k, resp, body)
	}
	return c.copyChecked(ctx, k, e, resp.Body, w)
}

func (c *Client) copyChecked(ctx context.Context, k wire.Call, e Entry, from io.Reader, w io.Writer) (int64, error) {
	hash := sha256.New()
	source := &sourceReader{r: io.LimitReader(from, maxDownload+1)}
	n, err := io.Copy(io.MultiWriter(w, hash), source)
	switch {
	case source.err != nil:
		return n, c.wire.TransportError(ctx, k, source.err)
	case err != nil:
		return n, fmt.Errorf("%s from registry %s: %w", k.Op, c.registry.Name, err)
	case n > maxDownload:
		return n, &Error{Registry: c.registry.Name, Op: k.Op, Class: Refused, Detail: fmt.Sprintf("more than %d bytes", maxDownload)}
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != e.Checksum {
		return n, &Error{Registry: c.registry.Name, Op: k.Op, Class: Refused,
			Detail: fmt.Sprintf("sha256 is %s, the index says %s", got, e.Checksum)}
	}
	return n, nil
}

// sourceReader remembers its own fault, to tell it from one of the writer.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Owner is who may publish new versions of a crate.
type Owner struct {
	Login string `json:"login"`
	Name  string `json:"name"`
	Kind  string `json:"kind"` // "user" or "team" where the registry says so
}

// Owners returns who owns a crate. Not every registry answers this.
func (c *Client) Owners(ctx context.Context, name string) ([]Owner, error) {
	k := wire.Call{Op: "ask owners of " + name, Method: http.MethodGet, Timeout: metaTimeout, Limit: maxAnswer}
	if err := cratefile.CheckName(name); err != nil {
		return nil, fmt.Errorf("%s at registry %s: %w", k.Op, c.registry.Name, err)
	}
	config, err := c.apiConfig(ctx, k.Op)
	if err != nil {
		return nil, err
	}
	if config.AuthRequired || !c.registry.Kind.Traits().PublicOwners {
		if k.Token, err = c.needToken(ctx, k.Op); err != nil {
			return nil, err
		}
	}
	k.URL = fmt.Sprintf("%s/api/v1/crates/%s/owners", config.API, name)
	k.Header = http.Header{"Accept": {"application/json"}}
	resp, answer, err := c.wire.Read(ctx, k)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 || wire.ReportsErrors(answer) {
		return nil, c.wire.StatusError(k, resp, answer)
	}
	var said struct {
		Users []Owner `json:"users"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return nil, &Error{Registry: c.registry.Name, Op: k.Op, Status: resp.StatusCode, Class: Refused, Err: err}
	}
	return said.Users, nil
}
