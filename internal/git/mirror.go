package git

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Mirror makes a bare copy of a repository's branches and tags in dir, which must be empty or absent. from is a folder or
// an http or https URL; forms for SSH are tried as https. No credential is used.
func Mirror(ctx context.Context, from, dir string) (*Repo, error) {
	if strings.HasPrefix(from, "-") || strings.ContainsAny(from, "\x00\n\r") || from == "" {
		return nil, fmt.Errorf("repository %q: %w", from, ErrName)
	}
	r, err := InitBare(ctx, dir)
	if err == nil { // relative addresses of submodules are relative to it
		err = r.configure(ctx, "remote.origin.url", StripCredentials(from))
	}
	if err != nil {
		return nil, err
	}
	all := []string{"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"}
	if strings.HasPrefix(from, "file://") || filepath.IsAbs(from) {
		return r, r.Fetch(ctx, from, all...)
	}
	remote, ok := networkURL(from)
	if !ok {
		return nil, fmt.Errorf("repository %q: %w", StripCredentials(from), ErrName)
	}
	args := append([]string{"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-head-ok", "--", remote}, all...)
	_, err = r.run(ctx, command{args: args, protocols: "https:http"})
	return r, err
}

// Count returns how many commits there are up to rev, itself included.
func (r *Repo) Count(ctx context.Context, rev string) (int, error) {
	hash, err := r.resolve(ctx, rev)
	if err != nil {
		return 0, err
	}
	out, err := r.git(ctx, "rev-list", "--count", hash)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// Named returns the commit that a branch, a tag, or the start of a hash names. ErrNotFound where none does.
func (r *Repo) Named(ctx context.Context, rev string) (string, error) {
	for _, form := range []string{rev, "refs/tags/" + rev, "refs/heads/" + rev} {
		commit, err := r.Commit(ctx, form)
		if err == nil || !errors.Is(err, ErrNotFound) {
			return commit, err
		}
	}
	return "", fmt.Errorf("revision %q: %w", rev, ErrNotFound)
}
