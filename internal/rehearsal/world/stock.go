package world

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tagboat/tagboat/internal/rehearsal/registrytwin"
	"github.com/tagboat/tagboat/internal/rehearsal/scene"
	"github.com/tagboat/tagboat/internal/secret"
)

// Stock is what the worlds of a storm share. Nothing in it changes. Close removes its folder.
type Stock struct {
	Scratch string    // the folder; runs make theirs in it
	Work    [2]string // working directories whose artifacts have the same names and other bytes

	parcels map[scene.Packing]map[string]scene.Parcel
	cache   *registrytwin.Cache // remembers what the crates hold
	masker  *secret.Masker
	key     *rsa.PrivateKey // of GitHub's issuer
}

// NewStock packs every crate and makes a folder in scratch, "" for one in memory where the system has such.
func NewStock(scratch string) (*Stock, error) {
	s := &Stock{cache: &registrytwin.Cache{}, masker: &secret.Masker{}}
	for _, v := range []string{GitHubToken, CratesIOToken, RotatedToken, FeedToken, UserKey} {
		if err := s.masker.Add(secret.New(v)); err != nil {
			return nil, err
		}
	}
	var err error
	// A short key: a storm signs thousands of identities, and nobody is there to forge one.
	if s.key, err = rsa.GenerateKey(rand.Reader, 1024); err != nil {
		return nil, fmt.Errorf("make a key for the storm: %w", err)
	}
	if s.parcels, err = scene.PackAll(); err != nil {
		return nil, err
	}
	if scratch == "" {
		// A folder in memory spares the disk thousands of small files.
		if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
			scratch = "/dev/shm"
		}
	}
	if s.Scratch, err = os.MkdirTemp(scratch, "tagboat-storm-"); err != nil && scratch != "" {
		s.Scratch, err = os.MkdirTemp("", "tagboat-storm-")
	}
	if err != nil {
		return nil, fmt.Errorf("make folder for the storm: %w", err)
	}
	if err := s.fill(); err != nil {
		s.Close()
		return nil, fmt.Errorf("make folder for the storm: %w", err)
	}
	return s, nil
}

// fill makes the working directories.
func (s *Stock) fill() error {
	for i := range s.Work {
		s.Work[i] = filepath.Join(s.Scratch, fmt.Sprintf("machine-%d", i))
		if err := os.MkdirAll(filepath.Join(s.Work[i], "dist"), 0o755); err != nil {
			return err
		}
		for _, name := range scene.ArtifactNames() {
			if err := os.WriteFile(filepath.Join(s.Work[i], "dist", name), fmt.Appendf(nil, "%s made on machine %d\n", name, i), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close removes the folder.
func (s *Stock) Close() { os.RemoveAll(s.Scratch) }
