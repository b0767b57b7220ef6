package changelog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/tagboat/tagboat/internal/acceptance/golden"
)

// TestSections reads sections: the file, then the versions that are asked for, one in each line.
func TestSections(t *testing.T) {
	golden.Last(t, "testdata/section/*.txtar", func(t *testing.T, a *txtar.Archive) string {
		var b strings.Builder
		for _, line := range strings.Fields(string(a.Files[1].Data)) {
			version, twoPart := strings.CutSuffix(line, "/two-part")
			section, found := Section(string(a.Files[0].Data), version, twoPart)
			fmt.Fprintf(&b, "== %s found %v\n", line, found)
			if section != "" {
				b.WriteString(section + "\n")
			}
		}
		return b.String()
	})
}

func TestForms(t *testing.T) {
	for _, test := range []struct {
		name, text, want string
		found            bool
	}{
		{"nothing", "", "", false},
		{"line ends of Windows", "# Changelog\r\n\r\n## [1.0.0]\r\n\r\n- x\r\n- y\r\n\r\n## [0.9.0]\r\n- z\r\n", "- x\n- y", true},
		{"a byte order mark", "\ufeff## 1.0.0\n- x\n", "- x", true},
		{"the last line without its end", "## 1.0.0\n- x", "- x", true},
		{"escaped brackets", "## \\[v1.0.0\\]\n- x\n\n## \\[v0.9.0\\]\n- y\n", "- x", true},
		{"a heading alone", "## 1.0.0", "", true},
		{"only a longer version", "## 1.0.0-rc.1\n- x\n## 11.0.0\n- y\n## 1.0.01\n- z\n", "", false},
		{"four signs are no version heading", "#### 1.0.0\n- x\n", "", false},
		{"a version in a sentence", "Since 1.0.0 all is well.\n", "", false},
		{"indented", "    ## 1.0.0\n- x\n", "", false},
	} {
		section, found := Section(test.text, "1.0.0", false)
		if section != test.want || found != test.found {
			t.Errorf("%s: %q, %v; want %q, %v", test.name, section, found, test.want, test.found)
		}
	}
}

// TestTurn turns changelogs: a first line of version, tag, tag before, and "draft" for entries that are added, or
// "insert" for a section where none is for what is to come.
func TestTurn(t *testing.T) {
	golden.Last(t, "testdata/turn/*.txtar", func(t *testing.T, a *txtar.Archive) string {
		words := append(strings.Fields(string(a.Comment)), "", "")
		v := Version{Text: words[0], Tag: words[1], Previous: words[2], Date: "2026-11-26"}
		draft := ""
		if v.Insert = words[3] == "insert"; words[3] != "" {
			draft = "- From a pull request (#9)\n- And another (#10)"
		}
		text := string(a.Files[0].Data)
		got, err := Turn(text, v, draft)
		windows, bad := Turn(strings.ReplaceAll(text, "\n", "\r\n"), v, draft)
		if err != nil || bad != nil {
			if bad == nil || err == nil {
				t.Errorf("%v, with Windows' line ends %v", err, bad)
			}
			return err.Error() + "\n"
		}
		if windows.Text != strings.ReplaceAll(got.Text, "\n", "\r\n") {
			t.Errorf("with Windows' line ends: %q", windows.Text)
		}
		heading := "none"
		if !got.Already {
			heading = strings.Split(got.Text, "\n")[got.Line-1]
			if section, found := Section(got.Text, v.Text, false); !found || !got.Empty && section == "" {
				t.Errorf("the section of %s is %q, %v", v.Text, section, found)
			}
		}
		if again, err := Turn(got.Text, v, draft); err != nil || !again.Already || again.Text != got.Text {
			t.Errorf("again: %+v, %v", again, err)
		}
		return fmt.Sprintf("%sheading %s, empty %v, already %v\n", got.Text, heading, got.Empty, got.Already)
	})
}
