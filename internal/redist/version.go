package redist

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/semver"
)

// Origin is what a version template may say of where a crate comes from.
type Origin struct {
	Date   time.Time // of this publication
	Commit string
	Count  int // commits up to it
}

// revDigits is how much of a commit stands in a version: as much as git shows of one in a large repository.
const revDigits = 10

// Version fills a template; "" is config.DefaultVersion. A version that cargo would not take is an error that says why.
func Version(template, own string, o Origin) (string, error) {
	if template == "" {
		template = config.DefaultVersion
	}
	text := strings.NewReplacer("{version}", own, "{date}", o.Date.UTC().Format("20060102"), "{rev}", o.Commit[:min(revDigits, len(o.Commit))], "{count}", strconv.Itoa(o.Count)).Replace(template)
	v, err := semver.Parse(text)
	if err == nil && v.String() != text {
		err = fmt.Errorf("it is %s in full", v)
	}
	if err != nil {
		return "", &problem.Error{Kind: problem.Stopped, Summary: fmt.Sprintf("the version scheme %q gives %q, which is no version", template, text), Detail: err.Error(), Err: err,
			Hint: "cargo takes MAJOR.MINOR.PATCH-PRE+BUILD, with dots between the parts of PRE and no number that begins with 0: {version}-{date}, {version}-{date}.r{rev}"}
	}
	return text, nil
}

// Doubts says what others cannot do with a version that cargo takes, "" where that is nothing. cargo-workspaces reads
// versions and requirements with older rules (semver 0.11, https://github.com/pksunkara/cargo-workspaces/pull/212).
func Doubts(version string) string {
	v, err := semver.Parse(version)
	if err != nil {
		return ""
	}
	if strings.HasPrefix(v.Pre, "-") || strings.Contains(v.Pre, "--") || strings.HasPrefix(v.Build, "-") {
		return fmt.Sprintf("cargo-workspaces cannot read the version %s: it has two hyphens in a row", version)
	}
	for part := range strings.SplitSeq(v.Pre, ".") {
		if part != "" && part[0] >= '0' && part[0] <= '9' && strings.Trim(part, "0123456789") != "" {
			return fmt.Sprintf("cargo-workspaces cannot read requirements on %s: %q begins with a digit and is no number", version, part)
		}
	}
	return ""
}

// ManifestLines are what consumers put into Cargo.toml. A pre-release needs "=": a plain requirement would take the next
// one, or the final version.
func ManifestLines(registry string, versions [][2]string) string {
	var b strings.Builder
	b.WriteString("[dependencies]\n")
	for _, v := range versions {
		fmt.Fprintf(&b, "%s = { version = %q, registry = %q }\n", v[0], "="+v[1], registry)
	}
	return b.String()
}

// RegistryLines are what consumers put into .cargo/config.toml to use a registry beside crates.io.
func RegistryLines(target Side) string { return registryLines(target) }
