package redist

import (
	"strings"
	"testing"
)

func TestNewest(t *testing.T) {
	for _, c := range []struct {
		ours      string
		published string
		want      string
	}{
		{"0.1.2-20240416", "", ""},
		{"0.1.2-20240416", "0.1.0 0.1.1", ""},
		{"0.1.2-20240416", "0.1.1 0.1.2", "0.1.2"},
		{"0.1.2-20240416", "0.1.2 0.2.1 0.2.0 0.3.0-rc.1", "0.2.1"},
		{"0.1.2-20240416", "0.1.2-20240501", ""},
		{"0.1.2-20240416", "v1 x", ""},
	} {
		if got := Newest(c.ours, strings.Fields(c.published)); got != c.want {
			t.Errorf("%s among %s: got %q, want %q", c.ours, c.published, got, c.want)
		}
	}
}

func TestNotice(t *testing.T) {
	if _, body := Notice("mshv", Part{}); body != "" {
		t.Errorf("got %q", body)
	}
	all := []Superseded{{Name: "a", Version: "0.1.2-20240416", Upstream: "0.2.1", Registry: "crates-io"}}
	if _, body := Notice("mshv", Part{From: "https://git.example.com/mshv", Superseded: all}); !strings.Contains(body, "| a | 0.1.2-20240416 | 0.2.1 | crates-io |\n") {
		t.Errorf("got %q", body)
	}
	if f := SupersededFinding(nil); f != nil {
		t.Errorf("got %+v", f)
	}
	if f := SupersededFinding(all); f.Detail != "a: crates-io has 0.2.1, redistributed is 0.1.2-20240416" || !strings.Contains(f.Hint, `a = "0.2.1"`) {
		t.Errorf("got %+v", f)
	}
}
