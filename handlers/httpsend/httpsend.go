// Package httpsend sends the HTTP requests of channels. It does what is easy to get wrong:
//
//   - A reply is bounded, drained and closed, so that its connection is used again.
//   - Redirects are not followed.
//   - A failure says how much of the request was sent.
//   - No error holds a secret.
//   - An SSRF guard refuses private addresses, unless they are allowed.
//
// It speaks only HTTP/1.1: there a request has its connection to itself, so it is known
// how much of it was written. The context is the only timeout. net/http repeats a POST by
// itself if it has the header Idempotency-Key or X-Idempotency-Key, so a channel must not
// set these.
package httpsend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/outgate/outgate/classify"
)

const (
	// DefaultMaxBody is how much of a reply's body is read: 64 KiB.
	DefaultMaxBody = 64 << 10
	// maxDrain is how much more is read and dropped, to keep the connection.
	maxDrain = 256 << 10
	// maxMessage bounds a provider's text in an error; classify keeps less.
	maxMessage = 4 << 10
	// maxHeader bounds the header of a reply.
	maxHeader = 64 << 10
	// maxIdle is how many unused connections to one host are kept.
	maxIdle     = 64
	idleTimeout = 90 * time.Second
)

// ErrBodyTooLong says that a reply's body was longer than the bound.
var ErrBodyTooLong = errors.New("reply body too long")

// Config says how a Sender sends.
type Config struct {
	// Channel is the name of the channel in the errors, for instance "webhook".
	Channel string
	// Table goes into the errors: what is known of the channel, for package classify.
	Table *classify.Table
	// AllowPrivate allows requests to any address, and through the proxy of the
	// environment. Without it only public addresses are dialed, without a proxy.
	AllowPrivate bool
	// Secrets are removed from every error; empty ones are ignored.
	Secrets []string
	// MaxBody bounds the body of a reply, in bytes; zero means DefaultMaxBody.
	MaxBody int64
	// UserAgent is the User-Agent header; empty means "outgate".
	UserAgent string
	// Now is the clock for Retry-After dates; nil means time.Now.
	Now func() time.Time
}

// Sender sends requests over its own connections. It is safe for concurrent use.
type Sender struct {
	cfg       Config
	transport *http.Transport
	redactor  *strings.Replacer
}

// Request is one HTTP request.
type Request struct {
	// Op names the operation in errors, for instance "post".
	Op     string
	Method string
	// URL may hold a user and a password, for basic authorization.
	URL *url.URL
	// Header belongs to Do after the call.
	Header http.Header
	// Body and Content are the body of the request; set at most one of them.
	Body    []byte
	Content *Content
}

// Content is a body that is read while it is sent.
type Content struct {
	// Size is the number of bytes.
	Size int64
	// Open returns a reader of all bytes; it may be called again.
	Open func() (io.ReadCloser, error)
}

// Reply is the provider's answer, with any status.
type Reply struct {
	Status int
	Header http.Header
	// Body is at most MaxBody bytes.
	Body []byte
	// RetryAfter is the delay that the header Retry-After asks for; 0 means none.
	RetryAfter time.Duration
	// Cut says why Body is not the whole body; nil means that it is.
	Cut error
}

// OK is true if the status is 200 to 299.
func (r *Reply) OK() bool { return r.Status >= 200 && r.Status <= 299 }

// New makes a Sender.
func New(cfg Config) *Sender {
	if cfg.MaxBody == 0 {
		cfg.MaxBody = DefaultMaxBody
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "outgate"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	dialer := &net.Dialer{}
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
		Protocols:              new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true)
	if cfg.AllowPrivate {
		transport.Proxy = http.ProxyFromEnvironment
	} else {
		dialer.Control = guard
	}
	return &Sender{cfg: cfg, transport: transport, redactor: newRedactor(cfg.Secrets)}
}

// Close closes the connections that are not in use.
func (s *Sender) Close() { s.transport.CloseIdleConnections() }

// Do sends one request. Any answer of the provider is a Reply. An error is a
// *classify.Error and means that there was no answer.
func (s *Sender) Do(ctx context.Context, r Request) (Reply, error) {
	// A request that was not written whole counts as not sent: its Content-Length tells the
	// provider that bytes are missing. GetConn begins each try of the transport, which
	// tries again only if nothing was written.
	var written atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn:      func(string) { written.Store(false) },
		WroteRequest: func(i httptrace.WroteRequestInfo) { written.Store(i.Err == nil) },
	}
	req, err := r.request(httptrace.WithClientTrace(ctx, trace))
	if err != nil {
		return Reply{}, s.failed(ctx, r.Op, classify.SentNo, err)
	}
	req.URL = rooted(r.URL)
	if r.Header != nil {
		req.Header = r.Header
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", s.cfg.UserAgent)
	}
	if u := r.URL.User; u != nil && req.Header.Get("Authorization") == "" {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}

	// This is the transport, not a client: it follows no redirect, and its errors do not
	// hold the URL.
	resp, err := s.transport.RoundTrip(req)
	if err != nil {
		sent := classify.SentNo
		if written.Load() {
			sent = classify.SentUnknown
		}
		return Reply{}, s.failed(ctx, r.Op, sent, err)
	}
	defer func() { _ = resp.Body.Close() }()
	return s.read(ctx, resp), nil
}

// request makes the request of net/http, without its address and header.
func (r *Request) request(ctx context.Context) (*http.Request, error) {
	if r.Content == nil {
		return http.NewRequestWithContext(ctx, r.Method, "", bytes.NewReader(r.Body))
	}
	body, err := r.Content.Open()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, "", body)
	if err != nil {
		_ = body.Close()
		return nil, err
	}
	req.ContentLength, req.GetBody = r.Content.Size, r.Content.Open
	if r.Content.Size == 0 { // net/http reads 0 as an unknown size
		req.Body, req.GetBody = http.NoBody, nil
		_ = body.Close()
	}
	return req, nil
}

// read reads the bounded body of a reply and drains some of the rest: if a body is read to
// its end, the next request can use the connection.
func (s *Sender) read(ctx context.Context, resp *http.Response) Reply {
	r := Reply{Status: resp.StatusCode, Header: resp.Header}
	if v := resp.Header.Get("Retry-After"); v != "" {
		if d, ok := classify.ParseRetryAfter(v, s.cfg.Now()); ok {
			r.RetryAfter = d
		}
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// The request did not ask for this. The body is the bare connection, whose reads do
		// not end with the context.
		return r
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, s.cfg.MaxBody+1))
	switch {
	case int64(len(body)) > s.cfg.MaxBody:
		body, r.Cut = body[:s.cfg.MaxBody], ErrBodyTooLong
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)
	case err != nil:
		r.Cut = s.cause(ctx, err)
	}
	r.Body = body
	return r
}

// failed makes the error for a request that got no answer.
func (s *Sender) failed(ctx context.Context, op string, sent classify.Sent, err error) error {
	e := &classify.Error{Channel: s.cfg.Channel, Table: s.cfg.Table, Op: op, Sent: sent}
	var forbidden *AddressError
	if errors.As(err, &forbidden) {
		e.Reason, err = classify.ReasonAddressForbidden, forbidden
	}
	e.Err = s.cause(ctx, err)
	if sent == classify.SentUnknown && classify.Classify(e).Reason == classify.ReasonUnknown {
		// net/http has no exported error for a connection that closed, or that answered in
		// another protocol.
		e.Reason = classify.ReasonConnectionLost
	}
	return e
}

// cause is an error without secrets. If the context ended, net/http names only its cause;
// cause adds the context's own error.
func (s *Sender) cause(ctx context.Context, err error) error {
	if end := ctx.Err(); end != nil && !errors.Is(err, end) && errors.Is(err, context.Cause(ctx)) {
		err = fmt.Errorf("%w: %w", end, err)
	}
	return s.clean(err)
}
