package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"

	"github.com/tagboat/tagboat/internal/secret"
)

const canary = "kanarienvogel-7f3a+/=\"&<"

// outer has the secret where a package tends to keep it: exported, unexported, behind a pointer and in containers.
type outer struct {
	Shown  secret.Value
	hidden secret.Value
	ptr    *secret.Value
	list   []secret.Value
	byName map[string]secret.Value
	any    any
}

type named struct{ V secret.Value }

func TestValuePrintsNowhere(t *testing.T) {
	v := secret.New(canary)
	o := outer{Shown: v, hidden: v, ptr: &v, list: []secret.Value{v}, byName: map[string]secret.Value{"k": v}, any: v}
	var out bytes.Buffer
	for _, verb := range "vTsqdxXpbcoUeEfFgGtw" {
		for _, flag := range []string{"", "+", "#", "-", " ", "0", "40", ".2"} {
			for _, x := range []any{v, &v, o, &o, []any{v}, fmt.Errorf("wrapped: %v", v)} {
				fmt.Fprintf(&out, "%"+flag+string(verb)+"\n", x)
			}
		}
	}
	fmt.Fprint(&out, v, o, &o)
	log.New(&out, "", 0).Print(v, o)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("m", "v", v, "p", &v, "o", o, slog.Group("g", "v", v))
	}
	for name, encode := range map[string]func() error{
		"json":     func() error { return json.NewEncoder(&out).Encode(o) },
		"xml":      func() error { return xml.NewEncoder(&out).Encode(named{v}) },
		"gob":      func() error { return gob.NewEncoder(&out).Encode(named{v}) },
		"template": func() error { return template.Must(template.New("").Parse("{{.Shown}} {{.}}")).Execute(&out, o) },
	} {
		if err := encode(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	out.WriteString(cmp.Diff(outer{}, o, cmp.AllowUnexported(outer{})))

	var m secret.Masker
	if err := m.Add(v); err != nil {
		t.Fatal(err)
	}
	if leaks := m.Leaks(out.Bytes()); len(leaks) > 0 {
		t.Errorf("the secret shows as %v in %d bytes of output", leaks, out.Len())
	}
	if strings.Contains(out.String(), "kanarienvogel") {
		t.Error("a part of the secret shows")
	}
}

func TestValueFormats(t *testing.T) {
	for _, tt := range []struct {
		v    secret.Value
		want string
	}{{secret.New("x"), "***"}, {secret.Value{}, ""}, {secret.New(""), ""}} {
		text, _ := tt.v.MarshalText()
		js, _ := json.Marshal(tt.v)
		for _, got := range []string{tt.v.String(), tt.v.GoString(), fmt.Sprint(tt.v), fmt.Sprintf("%#v", tt.v), string(text), strings.Trim(string(js), `"`), tt.v.LogValue().String()} {
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		}
	}
}

func TestValueHolds(t *testing.T) {
	v := secret.New("abc")
	switch {
	case v.Reveal() != "abc", v.IsZero(), !(secret.Value{}).IsZero(), !secret.New("").IsZero(), (secret.Value{}).Reveal() != "":
		t.Error("Reveal and IsZero do not agree with New")
	case !v.Equal(secret.New("abc")), v.Equal(secret.Value{}), v.Equal(secret.New("abd")):
		t.Error("Equal does not compare what is held")
	}
}

func TestAddRefusesShortSecrets(t *testing.T) {
	var m secret.Masker
	for _, short := range []string{"abc", "a", " abc\n"} {
		if err := m.Add(secret.New(short)); !errors.Is(err, secret.ErrShort) {
			t.Errorf("Add(%q) = %v, want ErrShort", short, err)
		}
	}
	if err := m.Add(secret.Value{}, "ab"); !errors.Is(err, secret.ErrShort) {
		t.Errorf("a short extra form gives %v, want ErrShort", err)
	}
	if err := m.Add(secret.Value{}); err != nil {
		t.Errorf("an absent secret gives %v", err)
	}
	if got := m.Mask("abc a ab"); got != "abc a ab" {
		t.Errorf("got %q, want short texts as they are", got)
	}
}
