package release

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/secret"
)

// UserKey is the variable that holds a secret of the user's choice for the MAC, for runs whose registry tokens are made anew
// each time.
const UserKey = "TAGBOAT_BILL_KEY"

// BillKey is a credential that only the ship zone holds, with the name under which its MAC stands in the bill.
type BillKey struct {
	Name  string
	Value secret.Value
}

// counts reports whether a key may speak for the bill: the user's own, or the token of a registry that the bill publishes to.
// A token that only reads some other registry is in more hands.
func (b *Bill) counts(k BillKey) bool {
	return !k.Value.IsZero() && (k.Name == UserKey || slices.ContainsFunc(b.Crates, func(c BillCrate) bool {
		return slices.ContainsFunc(c.Registries, func(r BillRegistry) bool { return oneName(r.Name) == oneName(k.Name) })
	}))
}

// oneName is what the names of a registry have in common that cargo reads from one variable.
func oneName(registry string) string { return strings.ToLower(strings.ReplaceAll(registry, "_", "-")) }

// Sign sets the bill's MACs, one for each key that counts: HMAC-SHA256 over the bill without its mac field, under a key derived
// from the credential (HKDF-SHA256, RFC 5869) and bound to the repository. A later run that holds any of the
// credentials can then tell whether somebody else wrote the bill.
func (b *Bill) Sign(keys []BillKey) error {
	macs := map[string]string{}
	for _, k := range keys {
		if !b.counts(k) {
			continue
		}
		sum, err := b.mac(k)
		if err != nil {
			return err
		}
		macs[k.Name] = hex.EncodeToString(sum)
	}
	b.MAC = macs
	return nil
}

// Authentic reports whether one of the keys made one of the bill's MACs, and says why or why not.
func (b *Bill) Authentic(keys []BillKey) (bool, string) {
	if len(b.MAC) == 0 {
		return false, "the bill carries no MAC"
	}
	reason := "no credential of this run made its MAC"
	for _, k := range keys {
		claimed, err := hex.DecodeString(b.MAC[k.Name])
		if !b.counts(k) || err != nil || len(claimed) == 0 {
			continue
		}
		sum, err := b.mac(k)
		if err == nil && hmac.Equal(sum, claimed) {
			return true, fmt.Sprintf("its MAC under the credential of %s is right", k.Name)
		}
		reason = fmt.Sprintf("its MAC under the credential of %s is wrong", k.Name)
	}
	return false, reason
}

func (b *Bill) mac(k BillKey) ([]byte, error) {
	plain := *b
	plain.MAC = nil
	text, err := json.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("encode bill: %w", err)
	}
	key, err := hkdf.Key(sha256.New, []byte(k.Value.Reveal()), []byte(b.Repository), "tagboat bill v1 "+k.Name, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive bill key: %w", err)
	}
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil), nil
}
