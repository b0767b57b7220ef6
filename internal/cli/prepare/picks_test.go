package prepare

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tagboat/tagboat/internal/git"
	"github.com/tagboat/tagboat/internal/problem"
)

// TestSeveralCommits holds that a start of a hash which several commits have is answered with these.
func TestSeveralCommits(t *testing.T) {
	ctx := t.Context()
	repo, err := git.Init(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	first := map[string]string{} // start -> hash
	for i := range 10_000 {      // about 320 until two have the same start
		branch := fmt.Sprintf("b%d", i)
		sha, err := repo.CommitFiles(ctx, git.CommitRequest{Branch: branch, Files: map[string][]byte{"a": []byte(branch)}, Message: branch, Author: git.Identity{Name: "A", Email: "a@b.c"}, Time: time.Unix(int64(i), 0)})
		if err != nil {
			t.Fatal(err)
		}
		other := first[sha[:4]]
		if first[sha[:4]] = sha; other == "" {
			continue
		}
		_, err = chosenCommit(ctx, repo, sha[:4])
		if p := (*problem.Error)(nil); !errors.As(err, &p) || !strings.Contains(p.Detail, sha+" "+branch) || !strings.Contains(p.Detail, other+" b") || p.Hint != "give more of the hash" {
			t.Errorf("got %v, want both commits", err)
		}
		if got, err := chosenCommit(ctx, repo, sha[:12]); err != nil || got != sha {
			t.Errorf("more of the hash: %s, %v", got, err)
		}
		return
	}
}
