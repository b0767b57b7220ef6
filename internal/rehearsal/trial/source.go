package trial

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tagboat/tagboat/internal/cargo/pack"
	"github.com/tagboat/tagboat/internal/config"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/release/observe"
	"github.com/tagboat/tagboat/internal/secret"
)

// source stands for the repository and the build zone: a fixed checkout, and crates that were packaged beforehand.
type source struct {
	p *process
}

// Checkout takes the crates from the bill where the release holds them already, as the real source does.
// Checkout takes the crates from an authentic bill where there is one, as the real one does, which asks no cargo then.
func (s *source) Checkout(ctx context.Context, _ release.Request, sealed observe.Sealed) (release.Checkout, config.Config, error) {
	t := s.p.trial
	c, cfg := t.Scene.Checkout(t.Commit), t.Scene.Config()
	if sealed != nil {
		if bill := sealed(ctx, release.Checkout{Tag: c.Tag, Commit: c.Commit}, cfg); bill != nil {
			c.Sealed, c.Toolchain = true, ""
			c.Crates, c.Indexes = bill.Contents()
		}
	}
	return c, cfg, nil
}

// Package takes as long as a build and writes the crates where they were ordered.
func (s *source) Package(ctx context.Context, order observe.PackageOrder) (*pack.Result, error) {
	t := s.p.trial
	s.p.packages(order.Registry.Name)
	made := t.Parcels(order.Registry.Name, s.p.maker)
	out := &pack.Result{Rustc: "rustc 1.95.0 (storm)", Cargo: "cargo 1.95.0 (storm)", Isolation: []string{"storm"}, Verified: true}
	for _, name := range order.Crates {
		if order.Progress != nil {
			order.Progress(name, "verify")
		}
		if err := sleep(ctx, 3*time.Second+time.Duration(t.Scene.Dice(3000, "build", s.p.number, name))*time.Millisecond); err != nil {
			return nil, err
		}
		p := made[name]
		path := filepath.Join(order.Out, name+"-"+scene.Version+".crate")
		if err := os.WriteFile(path, p.Bytes, 0o644); err != nil {
			return nil, err
		}
		out.Crates = append(out.Crates, pack.Crate{Name: name, Version: scene.Version, Path: path, SHA256: p.Sum, Size: int64(len(p.Bytes)), Files: p.Files})
	}
	return out, nil
}

// Publish is never asked for: the storm's configuration leaves publishing to Tagboat.
func (s *source) Publish(context.Context, observe.PackageOrder, secret.Value) error {
	return fmt.Errorf("cargo was asked to publish")
}

// sleep waits on the virtual clock.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
