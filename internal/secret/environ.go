package secret

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// Environ registers with m every variable of an environment that is named like a secret, and returns the names of
// those, sorted. A token with a scheme ("Bearer x") is hidden without it, too, and the
// one within the base64 of "Basic". The password in a URL, such as that of a proxy, is hidden whatever its variable is called.
func (m *Masker) Environ(env map[string]string) []string {
	var names []string
	for name, value := range env {
		if value == "" {
			continue
		}
		if !NamedLikeSecret(name) {
			m.userinfo(value)
			continue
		}
		m.Environment(value)
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Environment registers the value of one environment variable with m, as Environ does. What is too short to be masked
// stays visible.
func (m *Masker) Environment(value string) {
	trimmed := strings.TrimSpace(value)
	forms := []string{trimmed}
	scheme, rest, ok := strings.Cut(trimmed, " ")
	if ok && (scheme == "Bearer" || scheme == "Basic") {
		forms = append(forms, rest)
	}
	_ = m.Add(New(value), forms...)
	if decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(rest), "")); err == nil && scheme == "Basic" {
		if _, token, ok := strings.Cut(string(decoded), ":"); ok {
			_ = m.Add(New(token))
		}
	}
}

// userinfo registers the password in a URL, as a variable that names a proxy has it.
func (m *Masker) userinfo(value string) {
	if !strings.Contains(value, "@") {
		return
	}
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		if password, ok := u.User.Password(); ok {
			_ = m.Add(New(password))
		}
	}
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
