package credential

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/secret"
)

// Grant is what may be asked for one registry.
type Grant struct {
	Name    string            // for people
	Index   string            // as cargo names it; what is asked for any other index is refused
	Token   secret.Value      // the whole Authorization header
	Expires time.Time         // zero: unknown
	Crates  map[string]string // what may be published, name -> version; and yanked, and given to owners
}

// Grants is what may be asked.
type Grants []Grant

// SameIndex reports whether two spellings name one index, as cargo compares them: byte for byte, but for crates.io,
// which has two, and the slash at the end.
func SameIndex(a, b string) bool { return canonical(a) == canonical(b) }

func canonical(index string) string {
	index = strings.TrimSuffix(index, "/")
	if index == "https://github.com/rust-lang/crates.io-index" || index == "registry+https://github.com/rust-lang/crates.io-index" {
		return "sparse+https://index.crates.io"
	}
	return index
}

// Answer decides about one request: by the index alone, for names are the repository's to give.
func (g Grants) Answer(r Request) (Answer, error) {
	i := slices.IndexFunc(g, func(g Grant) bool { return SameIndex(g.Index, r.Index) })
	switch {
	case r.Kind == "login", r.Kind == "logout", i < 0:
		return Answer{}, ErrElsewhere // a provider that keeps tokens comes after this one
	case r.Kind != "get":
		return Answer{}, &Refusal{Kind: "operation-not-supported"}
	}
	grant := g[i]
	a := Answer{Token: grant.Token, Expires: grant.Expires}
	version, ours := grant.Crates[r.Crate]
	switch r.Operation {
	case "read":
		return a, nil
	case "publish":
		ours = ours && version == r.Version
	case "yank", "unyank", "owners":
	default:
		return Answer{}, &Refusal{Kind: "operation-not-supported"}
	}
	if !ours {
		return Answer{}, &Refusal{Kind: "other", Message: fmt.Sprintf("tagboat gives no token to %s %s at registry %s: %s", r.Operation,
			strings.TrimSpace(r.Crate+" "+r.Version), grant.Name, grant.scope())}
	}
	a.Once = true
	return a, nil
}

// scope says which crates the token is for.
func (g Grant) scope() string {
	if len(g.Crates) == 0 {
		return "nothing is published there from here"
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(g.Crates)) {
		all = append(all, name+" "+g.Crates[name])
	}
	return "what is published there from here is " + strings.Join(all, ", ")
}

// kept is a grant in a file.
type kept struct {
	Name    string            `json:"name"`
	Index   string            `json:"index"`
	Token   string            `json:"token"`
	Expires *time.Time        `json:"expires,omitempty"`
	Crates  map[string]string `json:"crates,omitempty"`
}

const keptName = "tokens.json"

// Keep writes the grants into a folder that only this user may enter, for cargo calls that come later. The tokens lie
// there until Forget: whatever runs as this user can read them.
func (g Grants) Keep(dir string) error {
	all := make([]kept, len(g))
	for i, grant := range g {
		all[i] = kept{Name: grant.Name, Index: grant.Index, Token: grant.Token.Reveal(), Crates: grant.Crates}
		if !grant.Expires.IsZero() {
			all[i].Expires = &grant.Expires
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("write tokens: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder for tokens: %w", err)
	}
	if err := private(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, keptName) // mode 0600
	if err != nil {
		return fmt.Errorf("write tokens: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, keptName))
	}
	if err != nil {
		return fmt.Errorf("write tokens: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Kept reads what Keep wrote; nothing where there is nothing.
func Kept(dir string) (Grants, error) {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err := private(dir); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, keptName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read kept tokens: %w", err)
	}
	var all []kept
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, errors.New("the kept tokens cannot be read: the file is damaged") // what json says may quote it
	}
	var g Grants
	for _, k := range all {
		grant := Grant{Name: k.Name, Index: k.Index, Token: secret.New(k.Token), Crates: k.Crates}
		if k.Expires != nil {
			grant.Expires = *k.Expires
		}
		g = append(g, grant)
	}
	return g, nil
}

// Forget removes what Keep wrote, and reports whether there was something.
func Forget(dir string) (bool, error) {
	if err := os.Remove(filepath.Join(dir, keptName)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("remove kept tokens: %w", err)
	}
	return true, os.Remove(dir)
}
