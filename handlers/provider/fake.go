package provider

import (
	"net"
	"net/http"
	"time"
)

// Fake is a stand-in of a provider that runs in this process, and enforces the limits
// that the provider documents.
type Fake struct {
	// Room is one that the tour of outgate dev writes to.
	Room string
	// Values are those of the keys of a bridge to the fake, all but its base_url.
	Values map[string]string
	// Scheme is that of its base_url; empty is http.
	Scheme string
	// Serve serves the fake until the listener is closed.
	Serve func(net.Listener) error
	// Lines are what stands in a room, one a message.
	Lines func(room string) []string
}

// ServeHTTP is the Serve of a fake that is reached over HTTP.
func ServeHTTP(h http.Handler) func(net.Listener) error {
	return func(l net.Listener) error {
		server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		defer func() { _ = server.Close() }()
		return server.Serve(l)
	}
}
