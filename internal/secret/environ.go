package secret

import (
	"slices"
	"strings"
)

// Environ registers with m every variable of an environment that is named like a secret, and returns the names of
// those, sorted. A token with a scheme ("Bearer x") is hidden without it, too.
func (m *Masker) Environ(env map[string]string) []string {
	var names []string
	for name, value := range env {
		if value == "" || !NamedLikeSecret(name) {
			continue
		}
		trimmed := strings.TrimSpace(value)
		forms := []string{trimmed}
		if scheme, rest, ok := strings.Cut(trimmed, " "); ok && (scheme == "Bearer" || scheme == "Basic") {
			forms = append(forms, rest)
		}
		m.Add(New(value), forms...)
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// NamedLikeSecret reports whether an environment variable of that name is likely to hold a secret.
func NamedLikeSecret(name string) bool {
	name = strings.ToUpper(name)
	if name == "PAT" || name == "TAGBOAT_BILL_KEY" {
		return true
	}
	for _, part := range []string{"TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "_PAT", "PRIVATE_KEY", "API_KEY", "APIKEY"} {
		if strings.Contains(name, part) && !strings.HasSuffix(name, "_URL") && !strings.HasSuffix(name, "CREDENTIAL_PROVIDER") {
			return true
		}
	}
	return false
}

// Forms returns the registered forms of the given kinds, sorted, for somebody else who masks output too. They are
// secrets.
func (m *Masker) Forms(kinds ...string) []string {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for form, kind := range m.kinds {
		if slices.Contains(kinds, kind) {
			out = append(out, form)
		}
	}
	slices.Sort(out)
	return out
}
