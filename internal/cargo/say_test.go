package cargo_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tagboat/tagboat/internal/cargo"
	"github.com/tagboat/tagboat/internal/problem"
)

// problems prints an error as its readers get it.
func problems(err error) string {
	var b strings.Builder
	for _, p := range problem.All(err) {
		fmt.Fprintf(&b, "%s: %s\n", p.Place(), p.Summary)
		for line := range strings.Lines(p.Detail) {
			fmt.Fprintf(&b, "  %s\n", strings.TrimSpace(line))
		}
		if p.Detail == "" && p.Err != nil {
			fmt.Fprintf(&b, "  %s\n", p.Err)
		}
		if p.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", p.Hint)
		}
	}
	if b.Len() == 0 {
		return err.Error() + "\n"
	}
	return b.String()
}

// findings prints findings, one paragraph each.
func findings(all []cargo.Finding) string {
	var b strings.Builder
	for _, f := range all {
		level := "error"
		if f.Warn {
			level = "warning"
		}
		fmt.Fprintf(&b, "%s: %s: %s: %s\n", f.At, level, f.Rule, f.Summary)
		for line := range strings.Lines(f.Detail) {
			fmt.Fprintf(&b, "  %s\n", strings.TrimSpace(line))
		}
		if f.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", f.Hint)
		}
	}
	return b.String()
}

// workspace prints everything that Load found, what is absent left out.
func workspace(w *cargo.Workspace) string {
	var b strings.Builder
	put := func(key string, value any) {
		if s := fmt.Sprint(value); s != "" && s != "[]" && s != "false" {
			fmt.Fprintf(&b, "%s: %s\n", key, s)
		}
	}
	for _, alias := range slices.Sorted(maps.Keys(w.Registries)) {
		put("registry "+alias, w.Registries[alias])
	}
	put("default registry", w.DefaultRegistry)
	for _, source := range slices.Sorted(maps.Keys(w.ReplacedBy)) {
		put("source "+source+" replaced by", w.ReplacedBy[source])
	}
	for _, p := range w.Programs {
		put("program "+p.Key, fmt.Sprintf("%s (%s)", p.Value, p.At))
	}
	put("toolchain", w.Toolchain)
	put("lock", w.HasLock)
	put("nested", w.Nested)
	for _, p := range w.Members {
		fmt.Fprintf(&b, "%s %s (%s)\n", p.Name, p.Version, p.VersionAt)
		put("  manifest", p.Manifest)
		put("  publish", p.Publish)
		put("  publish anywhere", p.PublishAny)
		put("  versionless", p.Versionless)
		put("  proc-macro", p.ProcMacro)
		put("  build script", p.BuildScript)
		put("  description", fmt.Sprintf("%q (%s)", p.Description, p.Place("description")))
		put("  license", p.License)
		put("  license-file", p.LicenseFile)
		put("  readme", p.Readme)
		put("  links", p.Links)
		put("  rust-version", p.RustVersion)
		put("  keywords", p.Keywords)
		put("  missing", p.MissingFiles)
		for _, d := range p.Dependencies {
			fmt.Fprintf(&b, "  %s %s %q (%s)", d.Kind, d.Name, d.Req, d.At)
			for _, extra := range []struct{ key, value string }{
				{"as", d.Rename}, {"for", d.Target}, {"from", d.Registry}, {"path", d.Path}, {"git", d.Git},
			} {
				if extra.value != "" {
					fmt.Fprintf(&b, " %s %s", extra.key, extra.value)
				}
			}
			if !d.HasVersion {
				b.WriteString(" versionless")
			}
			if d.Optional {
				b.WriteString(" optional")
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
