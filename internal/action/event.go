package action

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/tagboat/tagboat/internal/problem"
)

// Event is what started the workflow run, as far as it matters here. Everything in it was written by strangers; a field
// that the payload lacks, or has in another shape, is zero.
type Event struct {
	Name          string // "push", "workflow_dispatch"
	Ref           string // full, "refs/tags/v0.4.0"
	Commit        string // that the event is about; "" where it does not say
	Deleted       bool   // the push deleted the ref
	DefaultBranch string
	PullRequest   int  // number; 0 where the event is about none
	Fork          bool // the pull request comes from another repository
}

// Tag returns the tag that the event is about, "" where it is about none.
func (e Event) Tag() string { return after(e.Ref, "refs/tags/") }

// Branch returns the branch that the event is about, "" where it is about none.
func (e Event) Branch() string { return after(e.Ref, "refs/heads/") }

func after(ref, prefix string) string {
	name, ok := strings.CutPrefix(ref, prefix)
	if !ok {
		return ""
	}
	return name
}

// maxPayload bounds what is read of the event: GitHub sends none that is larger.
// https://docs.github.com/en/webhooks/webhook-events-and-payloads#payload-cap
const maxPayload = 25 << 20

// readEvent reads the event from the runner's variables and the payload's file.
//
// https://docs.github.com/en/actions/reference/workflows-and-actions/variables,
// https://docs.github.com/en/webhooks/webhook-events-and-payloads
func readEvent(env map[string]string) (Event, error) {
	e := Event{Name: env["GITHUB_EVENT_NAME"], Ref: env["GITHUB_REF"]}
	if e.Name == "" {
		return e, &problem.Error{Kind: problem.Usage, Summary: "this is not a run of GitHub Actions", Detail: "GITHUB_EVENT_NAME is not set",
			Hint: "`tagboat --help` lists the commands for everywhere else"}
	}
	p, err := readPayload(env["GITHUB_EVENT_PATH"])
	if err != nil {
		return e, &problem.Error{Kind: problem.Failed, Summary: "the event's payload cannot be read", Err: err}
	}
	e.DefaultBranch = p.text("repository", "default_branch")
	if full := p.text("ref"); e.Name == "push" && strings.HasPrefix(full, "refs/") {
		e.Ref = full
	}
	if e.Name == "create" && p.text("ref_type") == "tag" {
		e.Ref = "refs/tags/" + p.text("ref")
	}
	deleted, _ := p.at("deleted").(bool)
	e.Deleted = deleted || e.Name == "delete"
	// Of an annotated tag, `after` is the tag object; head_commit is the commit in every case.
	for _, sha := range []string{p.text("head_commit", "id"), env["GITHUB_SHA"]} {
		if e.Commit == "" && commitSHA.MatchString(sha) {
			e.Commit = sha
		}
	}
	if n, ok := p.at("pull_request", "number").(float64); ok && n > 0 && n < 1<<31 {
		e.PullRequest = int(n)
		e.Fork = p.text("pull_request", "head", "repo", "full_name") != p.text("pull_request", "base", "repo", "full_name")
	}
	return e, nil
}

var commitSHA = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// payload is a webhook payload, of which no field is relied on.
type payload map[string]any

func readPayload(path string) (payload, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPayload+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxPayload {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxPayload)
	}
	var p payload
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// at returns the value below a path of keys, nil where there is none.
func (p payload) at(keys ...string) any {
	var v any = map[string]any(p)
	for _, key := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func (p payload) text(keys ...string) string {
	s, _ := p.at(keys...).(string)
	return s
}
