package forge

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/google/go-github/v62/github"
	"golang.org/x/crypto/nacl/box"

	"github.com/tagboat/tagboat/internal/forge/wire"
	"github.com/tagboat/tagboat/internal/secret"
)

// Vault is a place where GitHub keeps secrets for workflows: an environment of the client's repository, an organization,
// or, where both are empty, the repository itself.
type Vault struct{ Environment, Organization string }

// String returns "the repository", "environment NAME" or "organization NAME".
func (v Vault) String() string {
	switch {
	case v.Environment != "":
		return "environment " + v.Environment
	case v.Organization != "":
		return "organization " + v.Organization
	}
	return "the repository"
}

// Secret is what GitHub tells of a secret; what it holds is never told. Visibility is "all", "private" or "selected" for
// one of an organization and empty otherwise; Selected are the ids of the repositories that see a "selected" one, sorted.
type Secret struct {
	Name                 string
	CreatedAt, UpdatedAt time.Time
	Visibility           string
	Selected             []int64
}

// SecretKey is the public key that a vault's secrets are sealed with. It changes from time to time.
type SecretKey struct {
	ID  string
	Key [32]byte
}

// secretsPath is where a vault's secrets are. go-github v62 asks for those of an environment at an address that GitHub
// does not describe any more.
func (c *Client) secretsPath(v Vault) string {
	switch {
	case v.Environment != "":
		return c.wire.Root() + "/environments/" + url.PathEscape(v.Environment) + "/secrets"
	case v.Organization != "":
		return "orgs/" + url.PathEscape(v.Organization) + "/actions/secrets"
	}
	return c.wire.Root() + "/actions/secrets"
}

// Secret reads what is known of a secret. NotFound means that the vault has none of that name, that there is no such
// environment or organization, or that the token may not know.
//
// https://docs.github.com/en/rest/actions/secrets#get-a-repository-secret and the like for the other vaults
func (c *Client) Secret(ctx context.Context, v Vault, name string) (Secret, error) {
	op := fmt.Sprintf("read secret %s of %s", name, v)
	var out struct {
		Name       string    `json:"name"`
		CreatedAt  time.Time `json:"created_at"`
		UpdatedAt  time.Time `json:"updated_at"`
		Visibility string    `json:"visibility"`
	}
	path := c.secretsPath(v) + "/" + url.PathEscape(name)
	if _, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: path, Out: &out}); err != nil {
		return Secret{}, err
	}
	if out.UpdatedAt.IsZero() {
		return Secret{}, c.wire.Malformed(op, "secret without the time of its last change")
	}
	s := Secret{Name: out.Name, CreatedAt: out.CreatedAt, UpdatedAt: out.UpdatedAt, Visibility: out.Visibility}
	if s.Visibility != "selected" {
		return s, nil
	}
	err := wire.Pages(func(q url.Values) (*github.Response, error) {
		var list struct {
			Repositories []struct {
				ID int64 `json:"id"`
			} `json:"repositories"`
		}
		resp, err := c.wire.Do(ctx, wire.Call{Op: "list repositories that see secret " + name, Method: http.MethodGet, Path: path + "/repositories", Query: q, Out: &list})
		for _, r := range list.Repositories {
			s.Selected = append(s.Selected, r.ID)
		}
		return resp, err
	})
	slices.Sort(s.Selected)
	return s, err
}

// SecretKey reads the public key of a vault. NotFound means that there is no such environment; every other vault exists,
// so a 404 is Denied.
//
// https://docs.github.com/en/rest/actions/secrets#get-a-repository-public-key and the like for the other vaults
func (c *Client) SecretKey(ctx context.Context, v Vault) (SecretKey, error) {
	op := fmt.Sprintf("read the public key for secrets of %s", v)
	var out github.PublicKey // its key_id is a text or, on some Enterprise Servers, a number
	if _, err := c.wire.Do(ctx, wire.Call{Op: op, Method: http.MethodGet, Path: c.secretsPath(v) + "/public-key", Out: &out, Create: v.Environment == ""}); err != nil {
		return SecretKey{}, err
	}
	key, err := base64.StdEncoding.DecodeString(out.GetKey())
	k := SecretKey{ID: out.GetKeyID()}
	if err != nil || len(key) != len(k.Key) || k.ID == "" {
		return SecretKey{}, c.wire.Malformed(op, "no public key of 32 bytes with an id")
	}
	copy(k.Key[:], key)
	return k, nil
}

// Seal closes a secret so that only the holder of the private key can open it: the base64 of a sealed box of libsodium.
//
// https://docs.github.com/en/rest/guides/encrypting-secrets-for-the-rest-api
func (k SecretKey) Seal(value secret.Value) (string, error) {
	sealed, err := box.SealAnonymous(nil, []byte(value.Reveal()), &k.Key, rand.Reader)
	if err != nil {
		return "", fmt.Errorf("seal a secret: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

// PutSecret makes a secret or replaces what it holds, sealed with the vault's key. Of s it takes the name and, in an
// organization, who sees it: what is left out there is taken away from those who had it. created is false where the
// secret was there already. The same call again is harmless.
//
// https://docs.github.com/en/rest/actions/secrets#create-or-update-a-repository-secret and the like
func (c *Client) PutSecret(ctx context.Context, v Vault, s Secret, key SecretKey, value secret.Value) (created bool, err error) {
	sealed, err := key.Seal(value)
	if err != nil {
		return false, err
	}
	body := map[string]any{"encrypted_value": sealed, "key_id": key.ID}
	if v.Organization != "" {
		body["visibility"] = s.Visibility
		if s.Visibility == "selected" {
			body["selected_repository_ids"] = append([]int64{}, s.Selected...)
		}
	}
	resp, err := c.wire.Do(ctx, wire.Call{Op: fmt.Sprintf("write secret %s of %s", s.Name, v), Method: http.MethodPut, Path: c.secretsPath(v) + "/" + url.PathEscape(s.Name), Body: body})
	return err == nil && resp.StatusCode == http.StatusCreated, err
}
