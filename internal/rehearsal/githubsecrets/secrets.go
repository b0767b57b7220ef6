// Package githubsecrets is where an embedded GitHub keeps the secrets of workflows: of the repository, of its
// environments, and of the organization that it belongs to. It holds the private keys, so it can open what it is sent.
package githubsecrets

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/tagboat/tagboat/internal/rehearsal/githubapi"
)

type (
	call   = githubapi.Call
	reply  = githubapi.Reply
	object = githubapi.Object
)

// Secret is one secret as it is now. Visibility and Selected (ids of repositories) are those of an organization's.
type Secret struct {
	Name, Value      string
	Created, Updated time.Time
	Visibility       string
	Selected         []int64
}

// vault is a place with secrets and the keys that they are sealed with.
type vault struct {
	id              string
	public, private *[32]byte
	secrets         map[string]*Secret // by upper-case name
}

// Store is all vaults around one repository: "repository", "environment:NAME", "organization:NAME". Methods named after
// operations are called under Site.Mu by the site.
type Store struct {
	site   *githubapi.Site
	vaults map[string]*vault
}

// New returns the vaults of a site, all empty. The repository's owner is an organization. Environments are made by
// Environment.
func New(site *githubapi.Site) *Store {
	return &Store{site: site, vaults: map[string]*vault{"repository": {}, "organization:" + strings.ToLower(site.Owner): {}}}
}

// Environment makes an environment.
func (s *Store) Environment(name string) {
	s.site.Mu.Lock()
	defer s.site.Mu.Unlock()
	s.vaults["environment:"+strings.ToLower(name)] = &vault{}
}

// Add puts a secret into a vault as somebody made it a month ago. It reports whether there is such a vault.
func (s *Store) Add(where string, x Secret) bool {
	x.Created = s.site.Born.AddDate(0, -1, 0)
	x.Updated = x.Created
	return s.Set(where, x)
}

// Set is Add with the secret's own times.
func (s *Store) Set(where string, x Secret) bool {
	s.site.Mu.Lock()
	defer s.site.Mu.Unlock()
	v := s.vaults[strings.ToLower(where)]
	if v == nil {
		return false
	}
	v.keep(&x)
	return true
}

// Held returns a secret, opened. It is zero where there is none.
func (s *Store) Held(where, name string) Secret {
	s.site.Mu.Lock()
	defer s.site.Mu.Unlock()
	v := s.vaults[strings.ToLower(where)]
	if v == nil || v.secrets[strings.ToUpper(name)] == nil {
		return Secret{}
	}
	return *v.secrets[strings.ToUpper(name)]
}

// Show describes all secrets, one a line, without what they hold: another value at another time is another line.
func (s *Store) Show() []string {
	s.site.Mu.Lock()
	defer s.site.Mu.Unlock()
	var out []string
	for where, v := range s.vaults {
		for _, x := range v.secrets {
			out = append(out, fmt.Sprintf("secret %s %s %s %s %v", where, x.Name, githubapi.Stamp(x.Updated), x.Visibility, x.Selected))
		}
	}
	slices.Sort(out)
	return out
}

func (v *vault) keep(x *Secret) {
	if v.secrets == nil {
		v.secrets = map[string]*Secret{}
	}
	v.secrets[strings.ToUpper(x.Name)] = x
}

// find returns the vault of a request by the parameters of its pattern, nil where there is none.
func (s *Store) find(c *call) *vault {
	where := "repository"
	if name := c.Params["environment"]; name != "" {
		where = "environment:" + name
	}
	if name := c.Params["org"]; name != "" {
		where = "organization:" + name
	}
	return s.vaults[strings.ToLower(where)]
}

// Key is the public key of a vault, made when it is first asked for.
func (s *Store) Key(c *call) reply {
	v := s.find(c)
	if v == nil {
		return githubapi.NotFound()
	}
	if v.public == nil {
		public, private, err := box.GenerateKey(rand.Reader)
		if err != nil {
			return githubapi.Trouble(err)
		}
		v.public, v.private, v.id = public, private, strconv.FormatInt(568250167242549740+s.site.NextID(), 10)
	}
	return githubapi.OK(object{"key_id": v.id, "key": base64.StdEncoding.EncodeToString(v.public[:])})
}

// Get is what is told of a secret: not what it holds.
func (s *Store) Get(c *call) reply {
	v := s.find(c)
	if v == nil || v.secrets[strings.ToUpper(c.Params["name"])] == nil {
		return githubapi.NotFound()
	}
	x := v.secrets[strings.ToUpper(c.Params["name"])]
	out := object{"name": x.Name, "created_at": githubapi.Stamp(x.Created), "updated_at": githubapi.Stamp(x.Updated)}
	if org := c.Params["org"]; org != "" {
		out["visibility"] = x.Visibility
		if x.Visibility == "selected" {
			out["selected_repositories_url"] = fmt.Sprintf("%s/orgs/%s/actions/secrets/%s/repositories", c.URLs.API, org, x.Name)
		}
	}
	return githubapi.OK(out)
}

// Repositories lists the repositories that see a secret of the organization. Of the others than the site's own one no
// more is known than the id.
func (s *Store) Repositories(c *call) reply {
	v := s.find(c)
	if v == nil || v.secrets[strings.ToUpper(c.Params["name"])] == nil {
		return githubapi.NotFound()
	}
	x := v.secrets[strings.ToUpper(c.Params["name"])]
	if x.Visibility != "selected" {
		return githubapi.Fail(http.StatusConflict, "Visibility must be set to 'selected'")
	}
	list, header := githubapi.Page(c, x.Selected)
	out := []object{}
	for _, id := range list {
		r := s.site.MinimalRepository(c)
		if own, _ := r["id"].(int); int64(own) != id {
			r["id"], r["name"], r["full_name"] = id, fmt.Sprint("other-", id), fmt.Sprintf("%s/other-%d", s.site.Owner, id)
		}
		out = append(out, r)
	}
	return reply{Status: http.StatusOK, Body: object{"total_count": len(x.Selected), "repositories": out}, Header: header}
}

var goodName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Put makes or replaces a secret. The box must open with the vault's key, which the real GitHub finds out in its own time.
func (s *Store) Put(c *call) reply {
	v := s.find(c)
	if v == nil {
		return githubapi.NotFound()
	}
	var in struct {
		Value      string  `json:"encrypted_value"`
		Key        string  `json:"key_id"`
		Visibility string  `json:"visibility"`
		Selected   []int64 `json:"selected_repository_ids"`
	}
	if rep, good := c.Decode(&in); !good {
		return rep
	}
	name, org := c.Params["name"], c.Params["org"] != ""
	switch {
	case !goodName.MatchString(name) || strings.HasPrefix(strings.ToUpper(name), "GITHUB_"):
		return githubapi.Unprocessable("Secret names can only contain alphanumeric characters ([a-z], [A-Z], [0-9]) or underscores (_). Spaces are not allowed. Must start with a letter ([a-z], [A-Z]) or underscores (_).")
	case org && !slices.Contains([]string{"all", "private", "selected"}, in.Visibility):
		return githubapi.Unprocessable("Invalid request.\n\n\"visibility\" wasn't supplied.")
	}
	value, ok := v.open(in.Key, in.Value)
	if !ok {
		return githubapi.Unprocessable("The value provided for the secret could not be decrypted")
	}
	now := githubapi.Now()
	x := &Secret{Name: strings.ToUpper(name), Value: value, Created: now, Updated: now}
	status, old := githubapi.Created(object{}), v.secrets[strings.ToUpper(name)]
	if old != nil {
		status, x.Created = githubapi.NoContent(), old.Created
	}
	if org {
		x.Visibility = in.Visibility
		if x.Visibility == "selected" {
			x.Selected = slices.Clone(in.Selected)
		}
	}
	v.keep(x)
	s.site.Wrote("put-secret", "%s", name)
	return status
}

// open opens a box that was sealed with the vault's key.
func (v *vault) open(key, sealed string) (string, bool) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil || v.private == nil || key != v.id {
		return "", false
	}
	value, ok := box.OpenAnonymous(nil, raw, v.public, v.private)
	return string(value), ok
}
