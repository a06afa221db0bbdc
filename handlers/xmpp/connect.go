package xmpp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/dial"

	"github.com/outgate/outgate/classify"
)

// The pauses after failures to connect.
const (
	minPause = 200 * time.Millisecond
	maxPause = 5 * time.Second
)

// mechanisms are the ways to log in, the best first.
var mechanisms = []sasl.Mechanism{sasl.ScramSha256Plus, sasl.ScramSha1Plus, sasl.ScramSha256, sasl.ScramSha1, sasl.Plain}

var errNoLogin = errors.New("the server offers no way to log in that is known here")

// opening is a stream that is being opened, for all who wait for it.
type opening struct {
	cancel context.CancelFunc
	done   chan struct{}
	stream *stream
	fail   *classify.Error
}

// retry is when to connect again after failures, and what the last was.
type retry struct {
	at       time.Time
	failures int
	last     *classify.Error
}

// live is the stream, opened if there is none. The opening does not end with the
// context: others may wait for it.
func (c *Channel) live(ctx context.Context, op string) (*stream, *classify.Error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, c.failed(op, classify.SentNo, classify.ReasonCanceled, errClosed)
	}
	if c.stream != nil && c.stream.alive() {
		defer c.mu.Unlock()
		return c.stream, nil
	}
	if c.opening == nil {
		if wait := c.retry.at.Sub(c.now()); wait > 0 {
			defer c.mu.Unlock()
			fail := *c.retry.last
			fail.RetryAfter = wait
			return nil, &fail
		}
		c.begin(ctx)
	}
	o := c.opening
	c.mu.Unlock()
	select {
	case <-o.done:
	case <-ctx.Done():
		return nil, c.ended(ctx, op, classify.SentNo)
	}
	if o.fail != nil {
		fail := *o.fail
		return nil, &fail
	}
	return o.stream, nil
}

// begin opens a stream in the background. The caller holds the lock.
func (c *Channel) begin(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timing.connect)
	o := &opening{cancel: cancel, done: make(chan struct{})}
	c.opening = o
	go func() {
		defer cancel()
		s, err := c.open(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		defer close(o.done)
		c.opening = nil
		if err == nil && c.closed {
			s.close()
			err = errClosed
		}
		if err != nil {
			o.fail = c.unopened(err)
			pause := min(minPause<<min(c.retry.failures, 10), maxPause)
			c.retry = retry{at: c.now().Add(pause), failures: c.retry.failures + 1, last: o.fail}
			return
		}
		o.stream, c.stream, c.retry = s, s, retry{}
	}()
}

// Close ends the stream; what is not answered yet is lost. Nothing is sent after
// it.
func (c *Channel) Close() {
	c.mu.Lock()
	c.closed = true
	s, o := c.stream, c.opening
	c.stream = nil
	c.mu.Unlock()
	if o != nil {
		o.cancel()
		<-o.done
	}
	if s != nil {
		s.close()
	}
	c.sender.Close()
}

// open connects, encrypts, logs in and gets a resource.
func (c *Channel) open(ctx context.Context) (*stream, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	m := &meter{Conn: conn}
	var state xmpp.SessionState
	if _, ok := conn.(*tls.Conn); ok {
		state |= xmpp.Secure
	}
	// The library's own way to heed a context may miss its end.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	session, err := xmpp.NewSession(ctx, c.jid.Domain(), c.jid, m, state, xmpp.NewNegotiator(
		func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: c.features()}
		}))
	if !stop() {
		err = ctx.Err()
	}
	// A server that offers nothing gets by the library, and one that offers nothing
	// of ours gets an error without a type.
	if err == nil && session.State()&xmpp.Authn == 0 || err != nil && !offered(session) {
		err = errNoLogin
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	m.since.Store(0)
	s := newStream(session, m, c.timing)
	s.start()
	return s, nil
}

// offered is false if the server named ways to log in, and none of ours.
func offered(session *xmpp.Session) bool {
	data, ok := session.Feature(nsSASL)
	names, is := data.([]string)
	return !ok || !is || slices.ContainsFunc(mechanisms, func(m sasl.Mechanism) bool { return slices.Contains(names, m.Name) })
}

// dial connects to the server.
func (c *Channel) dial(ctx context.Context) (net.Conn, error) {
	if c.server != "" {
		return new(net.Dialer).DialContext(ctx, "tcp", c.server)
	}
	cfg := c.tls()
	cfg.NextProtos = []string{"xmpp-client"} // XEP-0368
	d := dial.Dialer{Dialer: net.Dialer{Resolver: c.resolver}, TLSConfig: cfg}
	return d.Dial(ctx, "tcp", c.jid)
}

// features are what is agreed on with the server before the first stanza.
func (c *Channel) features() []xmpp.StreamFeature {
	login := xmpp.SASL("", c.password, mechanisms...)
	if c.plain {
		login.Necessary &^= xmpp.Secure
		return []xmpp.StreamFeature{login, xmpp.BindResource()}
	}
	return []xmpp.StreamFeature{xmpp.StartTLS(c.tls()), login, xmpp.BindResource()}
}

// tls is how the connection is encrypted.
func (c *Channel) tls() *tls.Config {
	return &tls.Config{ServerName: c.jid.Domainpart(), RootCAs: c.cas, MinVersion: tls.VersionTLS12}
}
