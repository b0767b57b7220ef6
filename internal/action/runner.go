package action

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sethvargo/go-githubactions"

	"github.com/tagboat/tagboat/internal/secret"
)

// runner talks to the program that runs the workflow: by lines that begin with "::" on standard output, and by files
// that variables name.
//
// https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
type runner struct {
	env    map[string]string
	gha    *githubactions.Action
	masker *secret.Masker
	raw    io.Writer // for the masks themselves, which must reach the runner in plain
	told   map[string]bool
	out    io.Writer // masked
}

func newRunner(env map[string]string, out io.Writer, m *secret.Masker) *runner {
	r := &runner{env: env, masker: m, raw: out, told: map[string]bool{}, out: m.Writer(out)}
	r.gha = githubactions.New(githubactions.WithWriter(r.out), githubactions.WithGetenv(func(name string) string { return env[name] }))
	r.masks()
	return r
}

// hide tells the runner of the value of a variable that is a secret although it is not named like one.
func (r *runner) hide(value string) {
	r.masker.Environment(value)
	r.masks()
}

// masks tells the runner of every form of a secret that it has not heard of.
func (r *runner) masks() {
	var fresh []string
	for _, form := range r.masker.Forms("plain", "json", "base64", "form") {
		if !r.told[form] {
			r.told[form] = true
			fresh = append(fresh, form)
		}
	}
	if len(fresh) == 0 {
		return
	}
	r.flush()
	masks := githubactions.New(githubactions.WithWriter(r.raw))
	masks.Group("Secrets that the log hides")
	for _, form := range fresh {
		masks.AddMask(form)
	}
	masks.EndGroup()
}

// quietly runs f while the runner takes no commands from what is printed: it is text of strangers.
func (r *runner) quietly(f func()) {
	token := nonce()
	r.gha.IssueCommand(&githubactions.Command{Name: "stop-commands", Message: token})
	defer func() {
		r.flush()
		fmt.Fprintln(r.out) // a line of the runner's begins at the start of one
		r.gha.IssueCommand(&githubactions.Command{Name: token})
	}()
	f()
}

func (r *runner) flush() {
	if f, ok := r.out.(interface{ Flush() error }); ok {
		f.Flush()
	}
}

func nonce() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails: https://pkg.go.dev/crypto/rand#Read
	return hex.EncodeToString(b)
}

// The runner keeps so many annotations of each kind for a step, and so many characters of each.
// https://github.com/actions/runner/blob/main/src/Runner.Worker/ExecutionContext.cs
const (
	maxAnnotations = 10
	maxMessage     = 4096
)

// annotation is one line on the page of the run, and on a line of a file where it names one.
type annotation struct {
	kind        string // error, warning, notice
	title, text string
	file        string
	line        int
}

// annotate shows annotations, of each kind as many as the runner keeps; the last one says where the others are.
func (r *runner) annotate(list []annotation) {
	total, shown := map[string]int{}, map[string]int{}
	for _, a := range list {
		total[a.kind]++
	}
	for _, a := range list {
		if shown[a.kind]++; shown[a.kind] > maxAnnotations {
			continue
		}
		if left := total[a.kind] - maxAnnotations + 1; shown[a.kind] == maxAnnotations && left > 1 {
			a = annotation{kind: a.kind, title: fmt.Sprintf("%d more", left), text: fmt.Sprintf("%d more of this kind are in the job summary and in the log", left)}
		}
		r.issue(a)
	}
}

func (r *runner) issue(a annotation) {
	p := githubactions.CommandProperties{}
	for key, value := range map[string]string{"title": a.title, "file": a.file} {
		if value = strings.TrimSpace(clean(r.masker.Mask(value))); value != "" {
			p[key] = value
		}
	}
	if a.file != "" && a.line > 0 {
		p["line"] = fmt.Sprint(a.line)
	}
	r.gha.IssueCommand(&githubactions.Command{Name: a.kind, Properties: p, Message: short(clean(r.masker.Mask(a.text)))})
}

// short cuts a text to what the runner keeps, and says where the rest is.
func short(text string) string {
	const more = "\n(cut; the job summary and the log have the rest)"
	runes := []rune(text)
	if len(runes) <= maxMessage {
		return text
	}
	return string(runes[:maxMessage-len(more)]) + more
}

// output sets outputs of the step. Values are text of strangers: each stands between delimiters that nobody can guess.
func (r *runner) output(list [][2]string) error {
	var b strings.Builder
	for _, o := range list {
		value := r.masker.Mask(o[1])
		delimiter := "tagboat-" + nonce()
		fmt.Fprintf(&b, "%s<<%s\n%s\n%s\n", o[0], delimiter, value, delimiter)
	}
	return r.appendTo("GITHUB_OUTPUT", b.String())
}

// summary adds Markdown to the job summary.
func (r *runner) summary(text string) error {
	return r.appendTo("GITHUB_STEP_SUMMARY", r.masker.Mask(text))
}

// appendTo writes to a file that the runner named; without one there is nobody to tell.
func (r *runner) appendTo(variable, text string) error {
	path := r.env[variable]
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", variable, err)
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}
