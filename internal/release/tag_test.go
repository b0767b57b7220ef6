package release_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release"
)

func TestTagForms(t *testing.T) {
	const plain, perCrate = "v{version}", "{crate}-v{version}"
	for _, test := range []struct {
		template string
		twoPart  bool
		name     string
		want     string // "crate version", or what the error says
		fails    bool
	}{
		{plain, false, "v1.2.3", " 1.2.3", false},
		{plain, false, "v1.2.3-rc.1", " 1.2.3-rc.1", false},
		{plain, false, "v1.2.3-alpha-2.x", " 1.2.3-alpha-2.x", false},
		{plain, false, "v1.2.3+build.5", " 1.2.3+build.5", false},
		{plain, false, "v0.0.0", " 0.0.0", false},
		{plain, false, "v18446744073709551615.0.0", " 18446744073709551615.0.0", false},
		{plain, false, "v18446744073709551616.0.0", "not a SemVer version", true},
		{plain, false, "1.2.3", "does not fit the template v{version}", true},
		{plain, false, "vv1.2.3", "not a SemVer version", true},
		{plain, false, "v-test", "not a SemVer version", true},
		{plain, false, "v1.2.3.4", "not a SemVer version", true},
		{plain, false, "v01.2.3", "not a SemVer version", true},
		{plain, false, "v1_2_3", "not a SemVer version", true},
		{plain, false, "v53.0", "two_part = true", true},
		{plain, false, "v1", "not a SemVer version", true},
		{plain, false, "v", "not a SemVer version", true},
		{plain, false, "core-v1.2.3", "does not fit", true},
		{"{version}", false, "1.2.3", " 1.2.3", false},
		{"{version}", false, "v1.2.3", "not a SemVer version", true},
		{"release/{version}/final", false, "release/1.2.3/final", " 1.2.3", false},
		{"release/{version}/final", false, "release/1.2.3", "does not fit", true},

		{plain, true, "v53.0", " 53.0.0", false},
		{plain, true, "v53.1.2", " 53.1.2", false},
		{plain, true, "v53.0-rc.1", "not a SemVer version", true},
		{plain, true, "v53", "not a SemVer version", true},
		{plain, true, "v53.x", "not a SemVer version", true},

		{perCrate, false, "mshv-ioctls-v0.7.0", "mshv-ioctls 0.7.0", false},
		{perCrate, false, "vm_superio-v1.0.0-rc.1", "vm_superio 1.0.0-rc.1", false},
		{perCrate, false, "vm-v2-v1.0.0", "vm-v2 1.0.0", false},
		{perCrate, false, "vm-v1.0.0-v2.0.0", "vm 1.0.0-v2.0.0", false}, // a crate's name has no dot
		{perCrate, false, "v1.0.0", "does not fit", true},
		{perCrate, false, "-v1.0.0", "characters", true},
		{perCrate, false, "core-v53.0", "two_part = true", true},
		{perCrate, true, "core-v53.0", "core 53.0.0", false},
		{perCrate, false, "co/re-v1.0.0", "does not fit", true},
		{perCrate, false, "1core-v1.0.0", "does not fit", true},
		{"{crate}@{version}", false, "core@1.0.0", "core 1.0.0", false},
		{"{crate}/{version}", false, "core/1.0.0", "core 1.0.0", false},
		{"rust/{crate}/v{version}", false, "rust/vm-memory/v1.0.0", "vm-memory 1.0.0", false},
		{"{version}-{crate}", false, "1.0.0-core", "core 1.0.0", false},
		{"v{version}/{crate}", false, "v1.0.0-rc.1/vm-memory", "vm-memory 1.0.0-rc.1", false},

		{plain, false, "", "characters", true},
		{plain, false, "v1.2.3\n", "characters", true},
		{plain, false, "v1.2.3 ", "characters", true},
		{plain, false, "v1.2.3;rm", "characters", true},
		{plain, false, "v$(id)1.2.3", "characters", true},
		{plain, false, "v1.2.3`id`", "characters", true},
		{plain, false, "--upload-pack=x", "characters", true},
		{plain, false, "v1.2.3/../../x", "characters", true},
		{plain, false, "v1..2.3", "characters", true},
		{plain, false, "v1.2.3//x", "characters", true},
		{plain, false, "v1.2.3/", "characters", true},
		{plain, false, "v1.2.3\u202egnp", "characters", true},
		{plain, false, "v1.2.3@{0}", "characters", true},
		{plain, false, "v" + strings.Repeat("1", 300), "characters", true},
	} {
		form := release.TagForm{Template: test.template, TwoPart: test.twoPart}
		tag, err := form.Parse(test.name)
		if test.fails {
			var p *problem.Error
			if !errors.As(err, &p) || p.Kind != problem.Stopped || !strings.Contains(p.Detail+" "+p.Hint, test.want) || p.Hint == "" {
				t.Errorf("%s %q: tag %+v, error %v; want one that stops, says %q and has a hint", test.template, test.name, tag, err, test.want)
			}
			continue
		}
		if got := tag.Crate + " " + tag.Version; err != nil || got != test.want || tag.Name != test.name {
			t.Errorf("%s %q: %+v, %v; want %q", test.template, test.name, tag, err, test.want)
		}
	}
}

// TestTagFormat makes a tag that Parse reads back.
func TestTagFormat(t *testing.T) {
	for _, test := range []struct {
		template             string
		twoPart              bool
		crate, version, want string
	}{
		{"v{version}", false, "", "1.2.3", "v1.2.3"},
		{"v{version}", true, "", "53.0.0", "v53.0"},
		{"v{version}", true, "", "53.1.0", "v53.1"},
		{"v{version}", true, "", "53.1.2", "v53.1.2"},
		{"v{version}", true, "", "53.0.0-rc.0", "v53.0.0-rc.0"},
		{"{crate}-v{version}", false, "vm-v2", "1.0.0-v.1", "vm-v2-v1.0.0-v.1"},
		{"{version}-{crate}", false, "core", "1.0.0-rc.1", "1.0.0-rc.1-core"},
	} {
		form := release.TagForm{Template: test.template, TwoPart: test.twoPart}
		got := form.Format(test.crate, test.version)
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.template, got, test.want)
		}
		if tag, err := form.Parse(got); err != nil || tag.Crate != test.crate || tag.Version != test.version {
			t.Errorf("%s: %q is read as %+v, %v", test.template, got, tag, err)
		}
		if form.PerCrate() != (test.crate != "") {
			t.Errorf("%s: per crate %v", test.template, form.PerCrate())
		}
	}
}

func TestBranchForm(t *testing.T) {
	for _, test := range []struct{ form, branch, tag string }{
		{"release/{tag}", "release/v1.2.3", "v1.2.3"},
		{"release/{tag}", "release/core/v1.2.3", "core/v1.2.3"},
		{"release/{tag}", "release/", ""},
		{"release/{tag}", "main", ""},
		{"release/{tag}", "Release/v1.2.3", ""},
		{"rel-{tag}-branch", "rel-v1.0.0-branch", "v1.0.0"},
		{"rel-{tag}-branch", "rel--branch", ""},
		{"rel-{tag}-branch", "rel-branch", ""},
		{"{tag}", "v1.0.0", "v1.0.0"},
		{"releases", "releases", ""},
	} {
		form := release.BranchForm(test.form)
		got, ok := form.Tag(test.branch)
		if got != test.tag || ok != (test.tag != "") {
			t.Errorf("%s: tag of %q is %q, %v; want %q", test.form, test.branch, got, ok, test.tag)
		}
		if ok && form.Of(got) != test.branch {
			t.Errorf("%s: branch of %q is %q, want %q", test.form, got, form.Of(got), test.branch)
		}
	}
}
