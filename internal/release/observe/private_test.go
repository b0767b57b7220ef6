package observe

import (
	"testing"

	"github.com/tagboat/tagboat/internal/registry"
)

func TestClientsRefuseClearText(t *testing.T) {
	for index, ok := range map[string]bool{
		"sparse+https://feed.example.com/index/": true,
		"sparse+http://feed.example.com/index/":  false,
		"sparse+http://10.0.0.1/index/":          false,
		"sparse+http://127.0.0.1:8080/index/":    true,
		"sparse+http://[::1]:8080/index/":        true,
		"sparse+http://localhost/index/":         true,
		"sparse+http://localhost.example.com/":   false,
		"sparse+http://127.0.0.1.example.com/":   false,
	} {
		clients := Clients(func(name, index string) (registry.Registry, registry.Options, error) {
			r, err := registry.New(name, index)
			return r, registry.Options{}, err
		})
		if _, err := clients("feed", index); (err == nil) != ok {
			t.Errorf("%s: %v, want it accepted: %v", index, err, ok)
		}
	}
}
