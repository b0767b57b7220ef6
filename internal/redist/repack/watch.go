package repack

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tagboat/tagboat/internal/redist"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
)

// watchFor is how long the answer is waited for: nothing depends on it.
const watchFor = 15 * time.Second

// watch asks whether upstream has published the crates itself. A registry that does not answer is a warning.
func watch(ctx context.Context, client *registry.Client, crates []release.Crate) (found []redist.Superseded, warning string) {
	if client == nil {
		return nil, ""
	}
	ctx, cancel := context.WithTimeout(ctx, watchFor)
	defer cancel()
	var mu sync.Mutex
	at := map[string]redist.Superseded{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, c := range crates {
		g.Go(func() error {
			entries, err := client.Lookup(ctx, c.Name)
			var published []string
			for _, e := range entries {
				if !e.Yanked {
					published = append(published, e.Version)
				}
			}
			if newest := redist.Newest(c.Version, published); newest != "" {
				mu.Lock()
				defer mu.Unlock()
				at[c.Name] = redist.Superseded{Name: c.Name, Version: c.Version, Upstream: newest, Registry: client.Registry().Name}
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		warning = fmt.Sprintf("whether upstream has published the crates itself could not be asked: %v", err)
	}
	for _, c := range crates {
		if s, ok := at[c.Name]; ok {
			found = append(found, s)
		}
	}
	return found, warning
}
