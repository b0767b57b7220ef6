package cli

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/tagboat/tagboat/internal/registry"
)

// openGate serves a registry that wants a token to the build zone's cargo, on loopback, for reading.
func openGate(client *registry.Client) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", func() {}, fmt.Errorf("open the reading address for registry %s: %w", client.Registry().Name, err)
	}
	base := "http://" + l.Addr().String()
	server := &http.Server{Handler: client.Gate(base), ReadHeaderTimeout: time.Minute}
	go server.Serve(l) // until stop
	return base + "/", func() { server.Close() }, nil
}
