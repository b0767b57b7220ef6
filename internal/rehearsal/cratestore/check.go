package cratestore

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/tagboat/tagboat/internal/semver"
)

// The limits of crates.io (https://github.com/rust-lang/crates.io/blob/main/src/controllers/krate/publish.rs).
const (
	maxDescription  = 1000
	maxFeatures     = 300
	maxDependencies = 500
)

// Check makes the checks of crates.io that need nothing but the manifest; the error is its sentence of refusal. Licence
// expressions and category names are not checked: both lists change with the real registry.
func (r *Release) Check() error {
	var missing []string
	if text(r.Description) == "" {
		missing = append(missing, "description")
	}
	if text(r.License) == "" && text(r.LicenseFile) == "" {
		missing = append(missing, "license")
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing or empty metadata fields: %s. Please see https://doc.rust-lang.org/cargo/reference/manifest.html "+
			"for more information on configuring these fields", strings.Join(missing, ", "))
	}
	if len(text(r.Description)) > maxDescription {
		return fmt.Errorf("The `description` is too long. A maximum of %d characters are currently allowed.", maxDescription)
	}
	for _, link := range []struct {
		field string
		value *string
	}{{"homepage", r.Homepage}, {"documentation", r.Docs}, {"repository", r.Repository}} {
		if err := checkURL(link.field, link.value); err != nil {
			return err
		}
	}
	if strings.Trim(text(r.RustVersion), "0123456789.") != "" {
		return errors.New("failed to parse `Cargo.toml` manifest file\n\ninvalid `rust-version` value")
	}
	if err := r.checkLists(); err != nil {
		return err
	}
	return r.checkDependencies()
}

func checkURL(field string, value *string) error {
	if value == nil {
		return nil
	}
	if !strings.HasPrefix(*value, "http://") && !strings.HasPrefix(*value, "https://") {
		return fmt.Errorf("URL for field `%s` must begin with http:// or https:// (url: %s)", field, *value)
	}
	if u, err := url.Parse(*value); err != nil || u.Host == "" {
		return fmt.Errorf("`%s` is not a valid url: `%s`", field, *value)
	}
	return nil
}

func (r *Release) checkLists() error {
	if len(r.Keywords) > 5 {
		return errors.New("expected at most 5 keywords per crate")
	}
	for _, k := range r.Keywords {
		if len(k) > 20 {
			return fmt.Errorf("\"%s\" is an invalid keyword (keywords must have less than 20 characters)", k)
		}
		if !validKeyword(k) {
			return fmt.Errorf("\"%s\" is an invalid keyword", k)
		}
	}
	if len(r.Categories) > 5 {
		return errors.New("expected at most 5 categories per crate")
	}
	if len(r.Features) > maxFeatures {
		return fmt.Errorf("crates.io only allows a maximum number of %d features, but your crate is declaring %d features.",
			maxFeatures, len(r.Features))
	}
	for name, values := range r.Features {
		if len(values) > maxFeatures {
			return fmt.Errorf("crates.io only allows a maximum number of %d features or dependencies that another feature can enable, "+
				"but the \"%s\" feature of your crate is enabling %d features or dependencies.", maxFeatures, name, len(values))
		}
	}
	return nil
}

// validKeyword wants an ASCII letter or digit first and letters, digits, _, - and + after it.
func validKeyword(k string) bool {
	for i := range len(k) {
		c := k[i]
		alphanumeric := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alphanumeric && (i == 0 || c != '_' && c != '-' && c != '+') {
			return false
		}
	}
	return k != ""
}

func (r *Release) checkDependencies() error {
	if len(r.Deps) > maxDependencies {
		return fmt.Errorf("crates.io only allows a maximum number of %d dependencies.\n\nIf you have a use case that requires an "+
			"increase of this limit, please send us an email to help@crates.io to discuss the details.", maxDependencies)
	}
	for _, d := range r.Deps {
		if err := CheckName("dependency", d.Name); err != nil {
			return err
		}
		if text(d.Registry) != "" {
			return fmt.Errorf("Dependency `%s` is hosted on another registry. Cross-registry dependencies are not permitted on crates.io.", d.Name)
		}
		if _, err := semver.ParseReq(d.Req); err != nil {
			return fmt.Errorf("\"%s\" is an invalid version requirement", d.Req)
		}
		if strings.TrimSpace(d.Req) == "*" {
			return fmt.Errorf("wildcard (`*`) dependency constraints are not allowed on crates.io. Crate with this problem: `%s` See "+
				"https://doc.rust-lang.org/cargo/faq.html#can-libraries-use--as-a-version-for-their-dependencies for more information", d.Name)
		}
	}
	return nil
}

// CheckName refuses what is no name of a crate, with the sentences of crates.io. what is "crate" or "dependency"
// (https://github.com/rust-lang/crates.io/blob/main/crates/crates_io_validation/src/lib.rs).
func CheckName(what, name string) error {
	if name == "" {
		return errors.New(what + " name cannot be empty")
	}
	if len([]rune(name)) > 64 {
		return fmt.Errorf("the %s name `%s` is too long (max 64 characters)", what, name)
	}
	if name[0] >= '0' && name[0] <= '9' {
		return fmt.Errorf("the name `%s` cannot be used as a %s name, the name cannot start with a digit", name, what)
	}
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		switch {
		case i == 0 && !letter:
			return fmt.Errorf("invalid character `%c` in %s name: `%s`, the first character must be an ASCII character", c, what, name)
		case !letter && (c < '0' || c > '9') && c != '-' && c != '_':
			return fmt.Errorf("invalid character `%c` in %s name: `%s`, characters must be an ASCII alphanumeric characters, `-`, or `_`", c, what, name)
		}
	}
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
