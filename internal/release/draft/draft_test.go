package draft_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tagboat/tagboat/internal/converge"
	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/problem"
	"github.com/tagboat/tagboat/internal/release/draft"
	"github.com/tagboat/tagboat/internal/release/reltest"
)

// open makes an empty draft in a world of its own.
func open(t *testing.T) (*reltest.World, *forge.Client, *draft.Draft) {
	t.Helper()
	w := reltest.New(t, reltest.Options{})
	client := w.Outside().Forge
	rel, err := client.CreateDraft(t.Context(), forge.DraftRequest{Tag: w.Tag()})
	if err != nil {
		t.Fatal(err)
	}
	d := draft.New(client, w.Tag())
	d.Keep(rel)
	return w, client, d
}

// names lists the files of the draft, past everything that is remembered.
func names(t *testing.T, w *reltest.World) string {
	t.Helper()
	rel, _ := w.GitHub.Release(w.Tag())
	var out []string
	for _, a := range rel.Assets {
		out = append(out, a.Name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// outcome wants a step done with that reason, or with any where reason is "".
func outcome(t *testing.T, what, reason string, o converge.Outcome, err error) {
	t.Helper()
	if err != nil || o.Reason != reason {
		t.Errorf("%s: %q, %v, want %q", what, o.Reason, err, reason)
	}
}

func TestPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, client, d := open(t)
		o, err := d.Put(t.Context(), draft.Bytes("a.txt", []byte("one")))
		outcome(t, "first", "", o, err)
		o, err = d.Put(t.Context(), draft.Bytes("a.txt", []byte("one")))
		outcome(t, "again", "is there with our digest", o, err)
		o, err = d.Put(t.Context(), draft.Bytes("a.txt", []byte("two")))
		outcome(t, "other bytes", "", o, err)
		if got := names(t, w); got != "a.txt" {
			t.Errorf("files: %s", got)
		}
		no := false
		rel, err := client.UpdateRelease(t.Context(), d.Release().ID, forge.Update{Tag: w.Tag(), Draft: &no})
		if err != nil {
			t.Fatal(err)
		}
		d.Keep(rel)
		_, err = d.Put(t.Context(), draft.Bytes("a.txt", []byte("three")))
		var p *problem.Error
		if !errors.As(err, &p) || p.Kind != problem.Stopped || !strings.Contains(p.Summary, "other bytes") {
			t.Errorf("into a public release: %v", err)
		}
	})
}

// An upload whose answer was lost is found by the next look, and not sent again.
func TestPutAfterLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, first := open(t)
		lost := 0
		w.Answer(func(*http.Response) error {
			if lost++; lost > 1 {
				return nil
			}
			return errors.New("connection reset by peer")
		})
		d := draft.New(w.Outside().Forge, w.Tag())
		d.Keep(first.Release())
		if _, err := d.Put(t.Context(), draft.Bytes("a.txt", []byte("one"))); err == nil {
			t.Fatal("the answer was not lost")
		}
		o, err := d.Put(t.Context(), draft.Bytes("a.txt", []byte("one")))
		outcome(t, "again", "is there with our digest", o, err)
	})
}

func TestSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, d := open(t)
		for _, c := range []struct{ content, reason string }{{"one", ""}, {"one", "is there with our digest"}, {"two", "replaced"}, {"two", "is there with our digest"}} {
			o, err := d.Swap(t.Context(), draft.Bytes("bill", []byte(c.content)), "bill.next")
			outcome(t, c.content, c.reason, o, err)
		}
		if got := names(t, w); got != "bill" {
			t.Errorf("files: %s", got)
		}
		// A run ended between deleting the old file and renaming the new one.
		w.RenameAsset("bill", "bill.next")
		d.Distrust()
		o, err := d.Swap(t.Context(), draft.Bytes("bill", []byte("three")), "bill.next")
		outcome(t, "after a cut", "replaced", o, err)
		if got := names(t, w); got != "bill" {
			t.Errorf("files: %s", got)
		}
	})
}

// Of two drafts the fuller one counts, and an empty duplicate is removed.
func TestFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, client, d := open(t)
		if _, err := d.Put(t.Context(), draft.Bytes("a.txt", []byte("one"))); err != nil {
			t.Fatal(err)
		}
		if _, err := client.CreateDraft(t.Context(), forge.DraftRequest{Tag: w.Tag()}); err != nil {
			t.Fatal(err)
		}
		rel, err := d.Find(t.Context())
		if err != nil || rel.ID != d.Release().ID {
			t.Errorf("found %d, want %d, %v", rel.ID, d.Release().ID, err)
		}
		if n := len(w.GitHub.Releases()); n != 1 {
			t.Errorf("%d releases are left", n)
		}
		if rel, err := draft.New(client, "v9.9.9").Find(t.Context()); err != nil || rel.ID != 0 {
			t.Errorf("of another tag: %+v, %v", rel, err)
		}
	})
}
