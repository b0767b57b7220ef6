package problem

import (
	"errors"
	"fmt"
	"testing"
)

func TestExitCode(t *testing.T) {
	of := func(k Kind) error { return &Error{Kind: k, Summary: "x"} }
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"nothing", nil, ExitDone},
		{"no problem of ours", errors.New("x"), ExitFailed},
		{"failed", of(Failed), ExitFailed},
		{"stopped", of(Stopped), ExitStopped},
		{"waiting", of(Waiting), ExitWaiting},
		{"usage", of(Usage), ExitUsage},
		{"wrapped", fmt.Errorf("publish: %w", of(Stopped)), ExitStopped},
		{"usage before all", errors.Join(of(Waiting), of(Stopped), of(Usage)), ExitUsage},
		{"a person before a fault", errors.Join(of(Failed), of(Stopped)), ExitStopped},
		{"a fault before waiting", errors.Join(of(Waiting), of(Failed)), ExitFailed},
		{"waiting alone", errors.Join(of(Waiting), errors.New("and something else")), ExitWaiting},
	} {
		if got := ExitCode(test.err); got != test.want {
			t.Errorf("%s: exit %d, want %d", test.name, got, test.want)
		}
	}
}

func TestError(t *testing.T) {
	cause := errors.New("no route")
	for _, test := range []struct {
		err  Error
		want string
	}{
		{Error{Summary: "it is wrong"}, "it is wrong"},
		{Error{Summary: "it is wrong", Detail: "got 1, want 2", Err: cause}, "it is wrong: got 1, want 2"},
		{Error{Summary: "it is wrong", Err: cause}, "it is wrong: no route"},
		{Error{Summary: "it is wrong", File: "Cargo.toml", Line: 3}, "Cargo.toml:3: it is wrong"},
		{Error{Summary: "it is wrong", File: "Cargo.toml"}, "Cargo.toml: it is wrong"},
		{Error{Summary: "it is wrong", Line: 3}, "it is wrong"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	if err := fmt.Errorf("read: %w", &Error{Summary: "x", Err: cause}); !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
}

func TestAll(t *testing.T) {
	inner := &Error{Summary: "inner"}
	outer := &Error{Summary: "outer", Err: inner}
	other := &Error{Summary: "other"}
	got := All(fmt.Errorf("run: %w", errors.Join(outer, errors.New("plain"), fmt.Errorf("step: %w", other))))
	if len(got) != 2 || got[0] != outer || got[1] != other {
		t.Errorf("got %v, want the outer one and the other one", got)
	}
	if All(nil) != nil {
		t.Error("nothing has a problem")
	}
}
