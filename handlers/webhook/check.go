package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
)

// opConnect names the check in errors.
const opConnect = "connect"

var ports = map[string]string{"http": "80", "https": "443"}

// Check connects to the receiver as a message would, TLS included, and sends no
// request: a receiver has no harmless one. Where a proxy of the environment would be
// used, it connects to the proxy.
func (c *Channel) Check(ctx context.Context) error {
	at := c.url
	dialer := &net.Dialer{}
	if c.private {
		if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: c.url}); err == nil && proxy != nil && ports[proxy.Scheme] != "" {
			at = proxy
		}
	} else {
		dialer.Control = httpsend.Guard(httpsend.Public)
	}
	conn, err := dial(ctx, dialer, at)
	if err == nil {
		_ = conn.Close()
		return nil
	}
	e := &classify.Error{Channel: Type, Table: table, Op: opConnect, Sent: classify.SentNo, Err: err}
	if forbidden, ok := errors.AsType[*httpsend.AddressError](err); ok {
		e.Reason, e.Err = classify.ReasonAddressForbidden, forbidden
	}
	return e
}

func dial(ctx context.Context, dialer *net.Dialer, u *url.URL) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = ports[u.Scheme]
	}
	address := net.JoinHostPort(u.Hostname(), port)
	if u.Scheme == "https" {
		return (&tls.Dialer{NetDialer: dialer}).DialContext(ctx, "tcp", address)
	}
	return dialer.DialContext(ctx, "tcp", address)
}
