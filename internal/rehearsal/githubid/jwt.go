package githubid

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"time"
)

type header struct {
	Type      string `json:"typ"`
	Algorithm string `json:"alg"`
	Key       string `json:"kid"`
}

// Sign returns a token with the claims: a JWT with RS256 (RFC 7515, 7519).
func (i *Issuer) Sign(c Claims) (string, error) {
	head, err := json.Marshal(header{"JWT", "RS256", i.kid})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed := encode(head) + "." + encode(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	return signed + "." + encode(signature), err
}

// Why a token is not believed. A verifier that tells less says so itself.
var (
	ErrShape     = errors.New("the token is no JWT")
	ErrIssuer    = errors.New("the token is of another issuer")
	ErrKey       = errors.New("the issuer has no such key")
	ErrSignature = errors.New("the signature is wrong")
	ErrTime      = errors.New("the token is expired, or not valid yet")
	ErrAudience  = errors.New("the token is for another audience")
)

// Verifier believes the tokens of one issuer for one audience, whose keys it reads from the issuer.
type Verifier struct {
	Issuer, Audience string
	HTTP             *http.Client
}

// Verify returns what a token says, if everything about it is right. Whether it was used before is for the caller to
// know.
func (v Verifier) Verify(ctx context.Context, jwt string, now time.Time) (Claims, error) {
	var c Claims
	var h header
	part := strings.Split(jwt, ".")
	if len(part) != 3 || decode(part[0], &h) != nil || decode(part[1], &c) != nil {
		return c, ErrShape
	}
	if c.Issuer != v.Issuer {
		return c, ErrIssuer
	}
	key, err := v.key(ctx, h.Key)
	if err != nil {
		return c, err
	}
	signature, err := base64.RawURLEncoding.DecodeString(part[2])
	sum := sha256.Sum256([]byte(part[0] + "." + part[1]))
	if err != nil || h.Algorithm != "RS256" || rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) != nil {
		return c, ErrSignature
	}
	switch at := now.Unix(); {
	case at >= c.Expires || at < c.NotBefore:
		return c, ErrTime
	case c.Audience != v.Audience:
		return c, ErrAudience
	}
	return c, nil
}

func decode(part string, into any) error {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// key reads a key of the issuer: its configuration names where they are.
func (v Verifier) key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	var configuration struct {
		Keys string `json:"jwks_uri"`
	}
	if err := v.get(ctx, v.Issuer+"/.well-known/openid-configuration", &configuration); err != nil {
		return nil, err
	}
	var set struct {
		Keys []struct{ Kid, N, E string }
	}
	if err := v.get(ctx, configuration.Keys, &set); err != nil {
		return nil, err
	}
	for _, k := range set.Keys {
		n, err := base64.RawURLEncoding.DecodeString(k.N)
		e, err2 := base64.RawURLEncoding.DecodeString(k.E)
		if k.Kid == kid && err == nil && err2 == nil {
			return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
		}
	}
	return nil, ErrKey
}

func (v Verifier) get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := v.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("read %s: status %d", url, resp.StatusCode)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(into)
}
