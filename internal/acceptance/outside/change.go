package outside

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"

	"github.com/tagboat/tagboat/internal/forge"
	"github.com/tagboat/tagboat/internal/registry"
	"github.com/tagboat/tagboat/internal/release"
	"github.com/tagboat/tagboat/internal/secret"
)

// Hold is a call whose effect happens and whose answer does not come: the caller is left waiting until it goes away.
type Hold struct {
	service, op string // glob on the operation with its argument
	// Reached is closed when the call has had its effect.
	Reached chan struct{}
	once    sync.Once
}

// Hold holds the next call of a service whose operation fits the pattern ("publish demo", "upload-asset *").
func (w *World) Hold(service, op string) *Hold {
	h := &Hold{service: service, op: op, Reached: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holds = append(w.holds, h)
	return h
}

func (w *World) takeHold(service, op string) *Hold {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, h := range w.holds {
		if ok, err := path.Match(h.op, op); h.service == service && ok && err == nil {
			w.holds = append(w.holds[:i:i], w.holds[i+1:]...)
			return h
		}
	}
	return nil
}

func (w *World) holding(service string, op func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h := w.takeHold(service, op(r))
		if h == nil {
			next.ServeHTTP(rw, r)
			return
		}
		next.ServeHTTP(httptest.NewRecorder(), r)
		h.once.Do(func() { close(h.Reached) })
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
}

// MakeCrate returns a .crate with one source file.
func MakeCrate(name, version, source string) ([]byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, f := range []struct{ name, text string }{
		{"Cargo.toml", fmt.Sprintf("[package]\nname = %q\nversion = %q\nedition = \"2021\"\ndescription = \"d\"\nlicense = \"MIT\"\n", name, version)},
		{"src/lib.rs", source},
	} {
		h := &tar.Header{Name: name + "-" + version + "/" + f.name, Mode: 0o644, Size: int64(len(f.text)), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(archive, f.text); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Publish uploads a crate with one source file to a registry, as somebody else.
func (w *World) Publish(ctx context.Context, feed, name, version, source string) error {
	f, ok := w.Feeds[feed]
	if !ok {
		return fmt.Errorf("no registry %s", feed)
	}
	content, err := MakeCrate(name, version, source)
	if err != nil {
		return err
	}
	crate, err := registry.ReadCrate(content)
	if err != nil {
		return err
	}
	client, err := f.client()
	if err != nil {
		return err
	}
	_, err = client.Publish(ctx, crate)
	return err
}

func (f *Feed) client() (*registry.Client, error) {
	r, err := registry.New(f.Name, f.Index)
	if err != nil {
		return nil, err
	}
	return registry.NewClient(r, registry.Options{Token: func(context.Context) (secret.Value, error) { return secret.New(f.Token), nil }}), nil
}

// Yank yanks a version in a registry.
func (w *World) Yank(ctx context.Context, feed, name, version string) error {
	f, ok := w.Feeds[feed]
	if !ok {
		return fmt.Errorf("no registry %s", feed)
	}
	client, err := f.client()
	if err != nil {
		return err
	}
	return client.Yank(ctx, name, version)
}

// asset finds an asset of the release with a tag, draft or not.
func (w *World) asset(ctx context.Context, tag, name string) (*forge.Client, forge.Release, forge.Asset, error) {
	client, err := w.Forge()
	if err != nil {
		return nil, forge.Release{}, forge.Asset{}, err
	}
	all, err := client.FindRelease(ctx, tag)
	if err != nil {
		return nil, forge.Release{}, forge.Asset{}, err
	}
	for _, r := range all {
		for _, a := range r.Assets {
			if a.Name == name {
				return client, r, a, nil
			}
		}
	}
	return nil, forge.Release{}, forge.Asset{}, fmt.Errorf("release %s has no asset %s", tag, name)
}

// Asset downloads an asset of any release, by its name.
func (w *World) Asset(ctx context.Context, name string) ([]byte, error) {
	for _, r := range w.GitHub.Releases() {
		client, _, a, err := w.asset(ctx, r.Tag, name)
		if err != nil {
			continue
		}
		body, err := client.DownloadAsset(ctx, a)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		return io.ReadAll(body)
	}
	return nil, fmt.Errorf("no release has an asset %s", name)
}

// DropAsset deletes an asset of a release.
func (w *World) DropAsset(ctx context.Context, tag, name string) error {
	client, _, a, err := w.asset(ctx, tag, name)
	if err != nil {
		return err
	}
	return client.DeleteAsset(ctx, a.ID)
}

// SwapAsset gives an asset of a release other bytes.
func (w *World) SwapAsset(ctx context.Context, tag, name string, content []byte) error {
	client, rel, a, err := w.asset(ctx, tag, name)
	if err != nil {
		return err
	}
	if err := client.DeleteAsset(ctx, a.ID); err != nil {
		return err
	}
	_, err = client.UploadAsset(ctx, rel, forge.Upload{Name: name, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(string(content))), nil
	}})
	return err
}

// MakeRelease makes an empty release, as a person does in a browser.
func (w *World) MakeRelease(ctx context.Context, tag string, draft bool) error {
	client, err := w.Forge()
	if err != nil {
		return err
	}
	rel, err := client.CreateDraft(ctx, forge.DraftRequest{Tag: tag, Name: tag})
	if err != nil || draft {
		return err
	}
	_, err = client.UpdateRelease(ctx, rel.ID, forge.Update{Tag: tag, Draft: &draft})
	return err
}

// ForgeBill rewrites the bill so that it tells the digest and the size of what the release holds under an asset's name,
// as somebody would who may write releases and has no credential of a registry.
func (w *World) ForgeBill(ctx context.Context, tag, name string) error {
	client, _, bill, err := w.asset(ctx, tag, release.BillName)
	if err != nil {
		return err
	}
	_, _, crate, err := w.asset(ctx, tag, name)
	if err != nil {
		return err
	}
	body, err := client.DownloadAsset(ctx, bill)
	if err != nil {
		return err
	}
	defer body.Close()
	var b release.Bill
	if err := json.NewDecoder(body).Decode(&b); err != nil {
		return err
	}
	c := b.ByAsset(name)
	if c == nil {
		return fmt.Errorf("the bill has no %s", name)
	}
	c.SHA256, c.Size = strings.TrimPrefix(crate.Digest, "sha256:"), crate.Size
	text, err := b.Encode()
	if err != nil {
		return err
	}
	return w.SwapAsset(ctx, tag, release.BillName, text)
}
