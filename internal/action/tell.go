package action

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/render/plain"
)

func clean(text string) string { return plain.Block(text) }

// outputsOf are the outputs that a report gives.
func outputsOf(r release.Report) Outputs {
	o := Outputs{Outcome: r.Outcome, Tag: r.Tag, Version: r.Version, Branch: r.Branch, Commit: r.Commit, URL: r.URL, RunURL: r.RunURL, Crates: published(r.Bill)}
	if r.ReleaseID != 0 {
		o.ReleaseID = strconv.FormatInt(r.ReleaseID, 10)
	}
	return o
}

// pairs are the outputs by name, in the order of the struct.
func (o Outputs) pairs() [][2]string {
	var out [][2]string
	v := reflect.ValueOf(o)
	for i := range v.NumField() {
		out = append(out, [2]string{v.Type().Field(i).Tag.Get("output"), v.Field(i).String()})
	}
	return out
}

// published is the JSON of the output crates.
func published(b *release.Bill) string {
	type crate struct {
		Name       string   `json:"name"`
		Version    string   `json:"version"`
		SHA256     string   `json:"sha256"`
		Registries []string `json:"registries"`
	}
	list := []crate{}
	if b != nil {
		for _, c := range b.Crates {
			entry := crate{Name: c.Name, Version: c.Version, SHA256: c.SHA256}
			for _, r := range c.Registries {
				if r.ConfirmedAt != nil {
					entry.Registries = append(entry.Registries, r.Name)
				}
			}
			if len(entry.Registries) > 0 {
				list = append(list, entry)
			}
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic(err) // unreachable: strings and slices of strings encode
	}
	return string(text)
}

// annotationsOf are what a report has to say on the page of the run: what is wrong first.
func annotationsOf(r release.Report) []annotation {
	var out []annotation
	for _, p := range r.Problems {
		kind := "error"
		if r.Outcome == release.Waiting {
			kind = "warning"
		}
		out = append(out, annotation{kind, p.Summary, sentences(p.Summary, p.Detail, p.Hint), p.File, p.Line})
	}
	for _, f := range r.Findings {
		if f.Severity == release.Warn {
			out = append(out, annotation{"warning", f.Summary, sentences(f.Summary, f.Detail, f.Hint, relaxed(f.Relaxed)), f.File, f.Line})
		}
	}
	for _, w := range r.Warnings {
		out = append(out, annotation{kind: "warning", title: "Warning", text: w})
	}
	if n := r.Notice; n != nil && n.URL != "" && n.Did != "closed" && r.Outcome != release.Stopped {
		out = append(out, annotation{kind: "notice", title: "Tagboat", text: "The issue about tokens: " + n.URL})
	}
	if text := verdict(r); text != "" {
		kind := "notice"
		if r.Outcome == release.Waiting {
			kind = "warning"
		}
		out = append(out, annotation{kind: kind, title: "Tagboat", text: text})
	}
	for _, sub := range r.Releases {
		out = append(out, annotationsOf(sub)...)
	}
	return out
}

func relaxed(reason string) string {
	if reason == "" {
		return ""
	}
	return "relaxed in tagboat.toml: " + reason
}

func sentences(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, "\n")
}

// verdict is how a run ended, in one sentence.
func verdict(r release.Report) string {
	switch r.Outcome {
	case release.Released:
		return sentences(fmt.Sprintf("Released %s", r.Tag), r.URL)
	case release.Started:
		return sentences(fmt.Sprintf("The release workflow of %s runs", r.Tag), r.RunURL)
	case release.Waiting:
		until := ""
		if r.Until != nil {
			until = " until " + r.Until.UTC().Format(time.RFC3339)
		}
		return fmt.Sprintf("%s waits%s. Nothing is lost: re-run the job then, or let a scheduled run with `command: reconcile` go on", r.Tag, until)
	case release.Stopped:
		return fmt.Sprintf("%s stopped: a person must decide. The errors say what to do; afterwards re-run the job", named(r))
	case release.Failed:
		return fmt.Sprintf("%s failed by a fault of the network, the disk or a service. Re-run the job: it goes on where this run ended", named(r))
	}
	return ""
}

func named(r release.Report) string {
	if r.Tag == "" {
		return "The " + r.Command
	}
	return "The " + r.Command + " of " + r.Tag
}
