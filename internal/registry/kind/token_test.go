package kind

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/secret"
)

// Tokens as they really look: an Azure DevOps PAT of either length, an Entra access token.
var (
	shortPAT = strings.Repeat("abcdefghijklmnopqrstuvwxyz2345", 2)[:52]
	longPAT  = "Zx9" + strings.Repeat("AbCdEfGhIjKlMnOpQrStUvWxYz0123456789", 3)[:71] + "JQQJ99AZDO"
	entra    = jwt(`{"typ":"JWT","alg":"RS256"}`, `{"aud":"499b84ac-1321-427f-aa17-267ca6975798","exp":1767225600}`)
)

func jwt(parts ...string) string {
	for i := range parts {
		parts[i] = base64.RawURLEncoding.EncodeToString([]byte(parts[i]))
	}
	return strings.Join(append(parts, "c2lnbmF0dXJl"), ".")
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// wrapped is what `echo Basic $(echo -n PAT:$PAT | base64)` makes of a token: base64 breaks its lines after 76
// characters, and the shell makes blanks of the breaks.
func wrapped(pat string) string {
	text := b64("PAT:" + pat)
	var lines []string
	for len(text) > 76 {
		lines, text = append(lines, text[:76]), text[76:]
	}
	return "Basic " + strings.Join(append(lines, text), " ")
}

func TestAuthorize(t *testing.T) {
	if len(longPAT) != 84 || len(shortPAT) != 52 || strings.Count(wrapped(longPAT), " ") != 2 {
		t.Fatal("the samples are not what they should be")
	}
	const cut, mended = "blanks or line breaks around it", "put together again"
	for _, c := range []struct {
		kind      Kind
		raw, want string
		warning   string
	}{
		{Azure, shortPAT, "Basic " + b64("PAT:"+shortPAT), ""},
		{Azure, longPAT, "Basic " + b64("PAT:"+longPAT), ""},
		{Azure, longPAT + "\n", "Basic " + b64("PAT:"+longPAT), cut},
		{Azure, " \t" + longPAT + "\r\n", "Basic " + b64("PAT:"+longPAT), cut},
		{Azure, entra, "Bearer " + entra, ""},
		{Azure, "Bearer " + entra, "Bearer " + entra, ""},
		{Azure, "bearer  " + entra, "Bearer " + entra, ""},
		{Azure, "Basic " + b64("AzureDevOps:"+longPAT), "Basic " + b64("AzureDevOps:"+longPAT), ""},
		{Azure, "Basic " + b64(":"+longPAT), "Basic " + b64(":"+longPAT), ""},
		{Azure, wrapped(longPAT), "Basic " + b64("PAT:"+longPAT), mended},
		{Azure, strings.ReplaceAll(wrapped(longPAT), " ", "\n"), "Basic " + b64("PAT:"+longPAT), mended},
		{Azure, strings.TrimPrefix(wrapped(longPAT), "Basic "), "Basic " + b64("PAT:"+longPAT), mended},
		{Azure, b64("PAT:" + longPAT), "Basic " + b64("PAT:"+longPAT), "in base64 already"},
		{Azure, "PAT:" + longPAT, "Basic " + b64("PAT:"+longPAT), "a user and a colon"},
		{Gitea, "c0ffee", "Bearer c0ffee", ""},
		{Gitea, "Basic " + b64("PAT:c0ffee"), "Basic " + b64("PAT:c0ffee"), ""},
		{Artifactory, entra, "Bearer " + entra, ""},
		{CodeArtifact, "eyJ2ZXIi", "eyJ2ZXIi", ""},
		{Cloudsmith, "Token key", "Token key", ""},
		{CratesIO, "cio123\n", "cio123", cut},
		{Kellnr, "Zy9Hh", "Zy9Hh", ""},
		{Cloudsmith, "key", "key", ""},
		{CratesIO, "Bearer cio_tp_1", "Bearer cio_tp_1", ""},
		{Generic, "Token  a b", "Token  a b", ""},
		{Generic, "Basic not-base64", "Basic not-base64", ""},
		{Generic, wrapped(longPAT), "Basic " + b64("PAT:"+longPAT), mended},
		{Generic, longPAT, longPAT, ""},
		{Generic, "ghp_0123456789", "ghp_0123456789", ""}, // its software may take them
		{"unheard-of", "raw", "raw", ""},
	} {
		v, warnings, err := c.kind.Authorize(c.raw)
		if err != nil || v.Reveal() != c.want {
			t.Errorf("%s: Authorize(%q) = %q, %v; want %q", c.kind, c.raw, v.Reveal(), err, c.want)
		}
		if said := strings.Join(warnings, " "); c.warning == "" && said != "" || !strings.Contains(said, c.warning) {
			t.Errorf("%s: Authorize(%q) warns %q, want %q", c.kind, c.raw, said, c.warning)
		}
		again, warnings, err := c.kind.Authorize(v.Reveal())
		if err != nil || !again.Equal(v) || len(warnings) > 0 {
			t.Errorf("%s: what Authorize made is not taken as it is: %q, %q, %v", c.kind, again.Reveal(), warnings, err)
		}
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	for _, c := range []struct {
		kind      Kind
		raw, want string
	}{
		{Azure, "", "is empty"},
		{Azure, "\n", "is empty"},
		{Azure, "Basic", ""}, // a word like any other
		{Azure, "Basic " + longPAT, "is not the base64"},
		{Azure, "Basic " + b64(longPAT), "is not the base64"},
		{Gitea, "one two", "a blank within"},
		{Gitea, "Bearer one two", "several words"},
		{CratesIO, "cio1 cio2", "a blank within"},
		{CratesIO, "cio1\ncio2", "byte 5 of 9"},
		{Azure, "pät", "byte 2 of 4"},
		{Generic, "a\x00b", "byte 2 of 3"},
		{Azure, "ghp_0123456789", "is one for GitHub"},
		{Azure, "Basic " + b64("PAT:github_pat_0123456789"), "is one for GitHub"},
		{CratesIO, "Bearer ghs_0123456789", "is one for GitHub"},
		{Gitea, "cio_tp_0123456789", "is one for crates.io"},
	} {
		v, warnings, err := c.kind.Authorize(c.raw)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: Authorize(%q): %v", c.kind, c.raw, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || !v.IsZero() {
			t.Errorf("%s: Authorize(%q) = %q, %v; want an error with %q", c.kind, c.raw, v.Reveal(), err, c.want)
		}
		if said := fmt.Sprint(warnings, err); strings.Contains(said, longPAT) {
			t.Errorf("%s: the token shows: %s", c.kind, said)
		}
	}
}

// TestHide holds that no form of a token shows once it was made: the token alone, the pair, its base64 with and without
// the scheme, also in the middle of other text.
func TestHide(t *testing.T) {
	for _, raw := range []string{shortPAT, longPAT, wrapped(longPAT), "Bearer " + entra, "Basic " + b64("AzureDevOps:"+longPAT)} {
		v, _, err := Azure.Authorize(raw)
		if err != nil {
			t.Fatal(err)
		}
		var m secret.Masker
		Hide(&m, v)
		bare := Innermost(raw).Reveal()
		scheme, rest, _ := strings.Cut(v.Reveal(), " ")
		for _, form := range []string{v.Reveal(), rest, bare, "PAT:" + bare, b64("PAT:" + bare), b64(bare), url.QueryEscape(v.Reveal()), b64("other:" + bare)} {
			for _, text := range []string{form, "x=" + form + ";", `{"authorization":"` + form + `"}`} {
				masked := m.Mask(text)
				if strings.Contains(masked, bare) || strings.Contains(masked, rest) || strings.Contains(masked, bare[4:20]) {
					t.Errorf("%s shows in %q", scheme, masked)
				}
			}
		}
	}
	if Parts(secret.Value{}) != nil || !Innermost("").IsZero() || !Innermost(" \n").IsZero() {
		t.Error("an absent token has parts")
	}
}

// TestInnermost holds that every form of a token has the same token in it.
func TestInnermost(t *testing.T) {
	for _, raw := range []string{longPAT, " " + longPAT + "\n", "Bearer " + longPAT, "Basic " + b64("PAT:"+longPAT), wrapped(longPAT)} {
		if got := Innermost(raw).Reveal(); got != longPAT {
			t.Errorf("Innermost(%q) = %q", raw, got)
		}
	}
}

func TestExpiry(t *testing.T) {
	want := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, raw := range []string{entra, "Bearer " + entra} {
		if got, ok := Expiry(secret.New(raw)); !ok || !got.Equal(want) {
			t.Errorf("Expiry(%q) = %v, %t", raw, got, ok)
		}
	}
	head := `{"alg":"none"}`
	for _, raw := range []string{"", longPAT, "a.b.c", jwt(head, `{}`), jwt(head, `{"exp":"soon"}`), jwt(head, `{"exp":1e300}`), jwt(head, `{"exp":-5}`), jwt(head, `[]`), jwt(`{}`, `{"exp":1767225600}`)} {
		if got, ok := Expiry(secret.New(raw)); ok {
			t.Errorf("Expiry(%q) = %v, want none", raw, got)
		}
	}
}

func FuzzAuthorize(f *testing.F) {
	for _, seed := range []string{shortPAT, wrapped(longPAT), "Bearer " + entra, "Basic x", "a b", "\n", "PAT:x", "Basic  UEFUOmE="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, traits := range All() {
			v, _, err := traits.Kind.Authorize(raw)
			if err != nil {
				continue
			}
			text := v.Reveal()
			if text == "" || text != strings.TrimSpace(text) || strings.ContainsAny(text, "\r\n\x00") {
				t.Errorf("%s: a header cannot carry %q", traits.Kind, text)
			}
			again, _, err := traits.Kind.Authorize(text)
			if err != nil || !again.Equal(v) {
				t.Errorf("%s: Authorize(%q) = %q, but Authorize of that = %q, %v", traits.Kind, raw, text, again.Reveal(), err)
			}
			Parts(v)
			Expiry(v)
		}
	})
}
