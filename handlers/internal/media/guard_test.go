package media_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/handlers/internal/media"
	"github.com/outgate/outgate/tasks"
)

// wantForbidden checks that err refuses an address for good.
func wantForbidden(t *testing.T, err error) {
	t.Helper()
	wantError(t, err, classify.ReasonAddressForbidden, "is not public")
	if _, ok := errors.AsType[*httpsend.AddressError](err); !ok {
		t.Errorf("got %v, want an AddressError in it", err)
	}
	if classify.Classify(err).Retryable() {
		t.Error("got a retryable error, want a final one")
	}
}

// port is the port of a URL.
func port(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

func TestPrivateAddressIsNotReached(t *testing.T) {
	var reached atomic.Bool
	p := port(t, serve(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	f := media.NewFetcher(media.Policy{Dir: spoolDir(t)})
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::]", "0.0.0.0",
		"169.254.169.254", "[fe80::1%25lo]", "[64:ff9b::7f00:1]", "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
	} {
		t.Run(host, func(t *testing.T) {
			_, _, err := f.Fetch(t.Context(), &tasks.Media{Kind: tasks.File, URL: "http://" + host + ":" + p + "/?t=" + secret})
			wantForbidden(t, err)
		})
	}
	// These are names for Go and addresses for some resolvers, so they are not resolved.
	for _, host := range []string{"2130706433", "0x7f000001", "0177.0.0.1", "127.1"} {
		_, _, err := f.Fetch(t.Context(), &tasks.Media{Kind: tasks.File, URL: "http://" + host + ":" + p})
		wantError(t, err, classify.ReasonMediaRejected, host)
	}
	if reached.Load() {
		t.Error("got a request at a private address, want none")
	}
}

func TestProxyIsNotUsed(t *testing.T) {
	var reached atomic.Bool
	proxy := serve(t, func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	t.Setenv("HTTP_PROXY", proxy)
	t.Setenv("http_proxy", proxy)
	f := media.NewFetcher(media.Policy{Dir: spoolDir(t)})
	_, _, err := f.Fetch(t.Context(), &tasks.Media{Kind: tasks.File, URL: "http://10.0.0.1/"})
	wantForbidden(t, err)
	if reached.Load() {
		t.Error("got a request at the proxy, want none")
	}
}

// listenOn starts a server on another loopback address.
func listenOn(t *testing.T, addr string, h http.HandlerFunc) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr+":0")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("got %v, want a machine with the address %s", err, addr)
		}
		t.Skipf("this machine has no %s: %v", addr, err)
	}
	srv := httptest.NewUnstartedServer(h)
	_ = srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestRedirectToAPrivateAddressIsNotFollowed(t *testing.T) {
	var reached atomic.Bool
	inside := listenOn(t, "127.0.0.2", func(http.ResponseWriter, *http.Request) { reached.Store(true) })
	outside := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a" {
			http.Redirect(w, r, "/b", http.StatusFound)
			return
		}
		http.Redirect(w, r, inside+"/?t="+secret, http.StatusFound)
	})
	f := media.NewGuardedFetcher(media.Policy{Dir: spoolDir(t)}, func(a netip.Addr) bool {
		return a == netip.MustParseAddr("127.0.0.1")
	})
	_, _, err := f.Fetch(t.Context(), &tasks.Media{Kind: tasks.File, URL: outside + "/a"})
	wantForbidden(t, err)
	if !strings.Contains(err.Error(), "127.0.0.2") {
		t.Errorf("got %v, want the second host's address", err)
	}
	if reached.Load() {
		t.Error("got a request at the private address, want none")
	}
}

// A name may resolve to a public address first and to a private one later, so the guard
// checks every dial.
func TestEveryDialIsGuarded(t *testing.T) {
	var dials, requests atomic.Int32
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.Redirect(w, r, "/again", http.StatusFound)
	})
	f := media.NewGuardedFetcher(media.Policy{Dir: spoolDir(t)}, func(netip.Addr) bool { return dials.Add(1) == 1 })
	_, _, err := f.Fetch(t.Context(), &tasks.Media{Kind: tasks.File, URL: base})
	wantForbidden(t, err)
	if n := requests.Load(); n != 1 {
		t.Errorf("got %d requests, want 1", n)
	}
}
