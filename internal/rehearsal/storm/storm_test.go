package storm

import (
	"os"
	"testing"
)

func TestFirst(t *testing.T) {
	r, err := Run(t.Context(), t, Options{Seeds: 1, First: 1, Trace: os.Stdout, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	r2 := r
	r2.Violation = nil
	t.Logf("%+v", r2)
	if r.Violation != nil {
		t.Errorf("%s: %s", r.Violation.Invariant, r.Violation.Detail)
	}
}
