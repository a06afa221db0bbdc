package httpsend_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
)

// listen starts a provider that calls serve for each connection and then closes it.
func listen(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// readRequest reads one whole request from a connection.
func readRequest(c net.Conn) {
	if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

// refusedAddr is a loopback address on which nobody listens.
func refusedAddr(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestFailureSaysWhetherTheRequestWasSent(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	hang := func(net.Conn) { <-hold }
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	defer untrusted.Close()
	big := strings.Repeat("x", 64<<20)

	cases := map[string]struct {
		url   string
		body  string
		limit time.Duration
		want  classify.Sent
		why   classify.Reason
		is    error
	}{
		"nobody listens": {url: "http://" + refusedAddr(t), want: classify.SentNo, why: classify.ReasonConnectionFailed},
		// A name with an empty label fails without a DNS query.
		"the name is unknown":          {url: "http://receiver..test", want: classify.SentNo, why: classify.ReasonDNSFailed},
		"the certificate is untrusted": {url: untrusted.URL, want: classify.SentNo, why: classify.ReasonTLSFailed},
		"the TLS handshake hangs": {
			url: "https://" + listen(t, hang), limit: 50 * time.Millisecond,
			want: classify.SentNo, why: classify.ReasonTimeout, is: context.DeadlineExceeded,
		},
		"the body is not read": {
			url: "http://" + listen(t, hang), body: big, limit: 300 * time.Millisecond,
			want: classify.SentNo, why: classify.ReasonTimeout, is: context.DeadlineExceeded,
		},
		"the context ended before the request": {
			url: "http://" + listen(t, hang), limit: time.Nanosecond,
			want: classify.SentNo, why: classify.ReasonTimeout, is: context.DeadlineExceeded,
		},
		"the scheme is not HTTP": {url: "gopher://127.0.0.1", want: classify.SentNo, why: classify.ReasonUnknown},
		"the request is read and the connection closed": {
			url: "http://" + listen(t, readRequest), want: classify.SentUnknown, why: classify.ReasonConnectionLost,
		},
		"the request is read and never answered": {
			url: "http://" + listen(t, hang), limit: 100 * time.Millisecond,
			want: classify.SentUnknown, why: classify.ReasonTimeout, is: context.DeadlineExceeded,
		},
		"the answer is not HTTP": {
			url: "http://" + listen(t, func(c net.Conn) {
				readRequest(c)
				_, _ = io.WriteString(c, "220 smtp ready\r\n")
			}),
			want: classify.SentUnknown, why: classify.ReasonConnectionLost,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if c.limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, c.limit, errors.New("bridge timeout"))
				defer cancel()
			}
			if c.limit == time.Nanosecond {
				<-ctx.Done()
			}
			_, err := sender(t, httpsend.Config{}).Do(ctx, post(parse(t, c.url), "x"+c.body))
			var e *classify.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %T %v, want a *classify.Error", err, err)
			}
			if e.Sent != c.want || e.Channel != "test" || e.Op != "post" || e.Err == nil {
				t.Errorf("got %+v, want Sent %d", e, c.want)
			}
			if got := classify.Classify(err).Reason; got != c.why {
				t.Errorf("%v: got reason %s, want %s", err, got, c.why)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want %v", err, c.is)
			}
		})
	}
}

func TestInvalidMethodIsAnError(t *testing.T) {
	_, err := sender(t, httpsend.Config{}).Do(t.Context(), httpsend.Request{Method: "NO WAY", URL: parse(t, "http://127.0.0.1")})
	var e *classify.Error
	if !errors.As(err, &e) || e.Sent != classify.SentNo {
		t.Errorf("got %v, want a *classify.Error with SentNo", err)
	}
}

// On a connection that was used before, net/http repeats requests that it thinks harmless.
// It must not repeat a POST that was written.
func TestWrittenRequestIsNotRepeated(t *testing.T) {
	var requests atomic.Int32
	addr := listen(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if requests.Add(1) > 1 {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	s := sender(t, httpsend.Config{})
	u := parse(t, "http://"+addr)
	if _, err := s.Do(t.Context(), post(u, "one")); err != nil {
		t.Fatal(err)
	}
	_, err := s.Do(t.Context(), post(u, "two"))
	var e *classify.Error
	if !errors.As(err, &e) || e.Sent != classify.SentUnknown {
		t.Errorf("got %v, want an error with SentUnknown", err)
	}
	if n := requests.Load(); n != 2 {
		t.Errorf("the provider got %d requests, want 2", n)
	}
}

func TestErrorHoldsNoSecret(t *testing.T) {
	addr := listen(t, func(c net.Conn) {
		line, _ := bufio.NewReader(c).ReadString('\n')
		_, _ = io.WriteString(c, strings.Fields(line)[1]+"\r\n")
	})
	s := sender(t, httpsend.Config{Secrets: []string{"t0psecret"}})
	_, err := s.Do(t.Context(), post(parse(t, "http://"+addr+"/t0psecret"), ""))
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "t0psecret") {
			t.Errorf("got the %T %v, want it without the secret", e, e)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "[redacted]") {
		t.Errorf("got %v, want the answer without the secret", err)
	}
}

func TestGuardRefusesPrivateAddressesAtDialTime(t *testing.T) {
	var reached atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	s := httpsend.New(httpsend.Config{Channel: "test"})
	defer s.Close()
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "169.254.169.254"} {
		_, err := s.Do(t.Context(), post(&url.URL{Scheme: "http", Host: net.JoinHostPort(strings.Trim(host, "[]"), port)}, "x"))
		var e *classify.Error
		if !errors.As(err, &e) || e.Reason != classify.ReasonAddressForbidden || e.Sent != classify.SentNo {
			t.Errorf("%s: got %v, want %s and SentNo", host, err, classify.ReasonAddressForbidden)
		}
		var a *httpsend.AddressError
		if !errors.As(err, &a) {
			t.Errorf("%s: got %v, want an AddressError in it", host, err)
		}
	}
	if reached.Load() {
		t.Error("got a request at a private address, want none")
	}
}

func TestPublic(t *testing.T) {
	cases := map[string]map[string]bool{
		"public addresses": {
			"1.1.1.1": true, "8.8.8.8": true, "100.63.255.255": true, "100.128.0.0": true,
			"172.15.255.255": true, "172.32.0.0": true, "223.255.255.255": true,
			"2606:4700:4700::1111": true, "2a00:1450:4001:82f::200e": true,
		},
		"this host": {
			"0.0.0.0": false, "0.1.2.3": false, "127.0.0.1": false, "127.255.255.255": false,
			"::": false, "::1": false,
		},
		"private networks": {
			"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
			"100.64.0.1": false, "100.127.255.255": false, "fc00::1": false, "fdff::1": false, "fec0::1": false,
		},
		"link-local addresses": {
			"169.254.169.254": false, "169.254.0.1": false, "fe80::1": false, "fe80::1%eth0": false,
		},
		"multicast and reserved addresses": {
			"224.0.0.1": false, "239.1.1.1": false, "240.0.0.1": false, "255.255.255.255": false,
			"ff02::1": false, "192.0.0.1": false, "192.0.2.1": false, "198.18.0.1": false,
			"198.51.100.1": false, "203.0.113.1": false, "192.88.99.1": false,
			"2001:db8::1": false, "3fff::1": false, "100::1": false, "5f00::1": false,
		},
		"IPv6 that leads to private IPv4": {
			"::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false,
			"64:ff9b::a9fe:a9fe": false, "64:ff9b:1::808:808": false,
			"2002:7f00:1::1": false, "2002:c0a8:101::1": false, "2001:0:4136:e378::1": false,
			"2606:4700::5efe:a00:1": false, "2606:4700::200:5efe:a00:1": false,
		},
		"IPv6 that leads to public IPv4": {
			"::ffff:8.8.8.8": true, "64:ff9b::808:808": true, "2002:808:808::1": true,
			"2606:4700::5efe:808:808": true,
		},
	}
	for name, addrs := range cases {
		t.Run(name, func(t *testing.T) {
			for addr, want := range addrs {
				if got := httpsend.Public(netip.MustParseAddr(addr)); got != want {
					t.Errorf("%s: got public %v, want %v", addr, got, want)
				}
			}
		})
	}
	if httpsend.Public(netip.Addr{}) {
		t.Error("got public for an empty address, want not public")
	}
}
