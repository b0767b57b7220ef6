package bump_test

import (
	"testing"

	"github.com/tagboat/tagboat/internal/bump"
)

func TestDraft(t *testing.T) {
	const generated = `<!-- Release notes generated -->

## What's Changed
### Exciting New Features
* Trace guests by @ada in https://github.com/o/r/pull/12
* Mentioned already by @grace in https://github.com/o/r/pull/13
### Other Changes
* Fix: a * and a @mention by @bot[bot] in https://github.com/o/r/pull/14

## New Contributors
* @ada made their first contribution in https://github.com/o/r/pull/12

**Full Changelog**: https://github.com/o/r/compare/v1...v2
`
	want := "### Exciting New Features\n\n- Trace guests (#12)\n\n### Other Changes\n\n- Fix: a * and a @mention (#14)"
	if got := bump.Draft(generated, "## [Unreleased]\n- By hand, #13.\n"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := bump.Draft("**Full Changelog**: x", ""); got != "" {
		t.Errorf("got %q from nothing", got)
	}
}
