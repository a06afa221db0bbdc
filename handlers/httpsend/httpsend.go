// Package httpsend sends the HTTP requests of the channels, so that what is easy
// to get wrong is written once: a reply is bounded, drained and closed, so that
// its connection is used again; redirects are not followed; a failure says how
// far the request came; no secret stands in an error; and, unless it is allowed,
// no request reaches a private address.
//
// It speaks HTTP/1.1 only: there a request has its connection to itself, and how
// much of it was written is a plain fact. It waits as long as its context, and no
// shorter. net/http repeats a POST by itself if it carries the header
// Idempotency-Key or X-Idempotency-Key; so a channel never sets these.
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
	// maxDrain is how much more is read and dropped to keep a connection.
	maxDrain = 256 << 10
	// maxMessage bounds a provider's text in an error: more than classify keeps.
	maxMessage = 4 << 10
	// maxHeader bounds the header of a reply.
	maxHeader = 64 << 10
	// maxIdle is how many unused connections are kept to a host.
	maxIdle     = 64
	idleTimeout = 90 * time.Second
)

// ErrBodyTooLong says that a reply's body was longer than the bound.
var ErrBodyTooLong = errors.New("reply body too long")

// Config says how a Sender sends.
type Config struct {
	// Channel is the name of the channel in the errors, "webhook" for instance.
	Channel string
	// Table goes into the errors: what is known of the channel, for package classify.
	Table *classify.Table
	// AllowPrivate lets requests go to any address and through the proxy of the
	// environment. Without it only public addresses are dialed, and no proxy.
	AllowPrivate bool
	// Secrets are kept out of every error; empty ones are ignored.
	Secrets []string
	// MaxBody bounds the body of a reply, in bytes; zero is DefaultMaxBody.
	MaxBody int64
	// UserAgent is the User-Agent header; empty is "outgate".
	UserAgent string
	// Now is the clock of Retry-After dates; nil is time.Now.
	Now func() time.Time
}

// Sender sends requests over connections of its own. It is safe for concurrent
// use.
type Sender struct {
	cfg       Config
	transport *http.Transport
	redactor  *strings.Replacer
}

// Request is one HTTP request.
type Request struct {
	// Op names what is tried in errors, "post" for instance.
	Op     string
	Method string
	// URL may hold a user and a password: they become basic authorization.
	URL *url.URL
	// Header belongs to Do once it is called.
	Header http.Header
	// Body or Content, at most one of them.
	Body    []byte
	Content *Content
}

// Content is a body that is read while it is sent.
type Content struct {
	// Size is how many bytes Open gives.
	Size int64
	// Open gives them from the start; it may be called again.
	Open func() (io.ReadCloser, error)
}

// Reply is what the provider answered, whatever its status.
type Reply struct {
	Status int
	Header http.Header
	// Body is at most MaxBody bytes.
	Body []byte
	// RetryAfter is the delay the header of that name asks for, 0 for none.
	RetryAfter time.Duration
	// Cut is why Body is not the whole body; nil if it is.
	Cut error
}

// OK is true for a status from 200 to 299.
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

// Do sends one request. Whatever the provider answers is a Reply; an error is a
// *classify.Error and means that no answer came.
func (s *Sender) Do(ctx context.Context, r Request) (Reply, error) {
	// The request is written whole or it is not sent: its Content-Length tells the
	// provider that something is missing. GetConn begins each try of the transport,
	// which tries again by itself only where nothing was written.
	var written atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn:      func(string) { written.Store(false) },
		WroteRequest: func(i httptrace.WroteRequestInfo) { written.Store(i.Err == nil) },
	}
	req, err := r.request(httptrace.WithClientTrace(ctx, trace))
	if err != nil {
		return Reply{}, s.failed(ctx, r.Op, classify.SentNo, err)
	}
	req.URL = r.URL
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

	// The transport itself, not a client: it follows no redirect, and its errors do
	// not hold the URL.
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

// request makes the request of net/http, all but its address and header.
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
	if r.Content.Size == 0 { // net/http takes that for an unknown size
		req.Body, req.GetBody = http.NoBody, nil
		_ = body.Close()
	}
	return req, nil
}

// read takes the bounded body of a reply, and drains some of the rest: a body
// read to its end leaves its connection to the next request, once it is closed.
func (s *Sender) read(ctx context.Context, resp *http.Response) Reply {
	r := Reply{Status: resp.StatusCode, Header: resp.Header}
	if v := resp.Header.Get("Retry-After"); v != "" {
		if d, ok := classify.ParseRetryAfter(v, s.cfg.Now()); ok {
			r.RetryAfter = d
		}
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// Nobody asked for that. Such a body is the connection, deaf to the context.
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

// failed is the error of a request that got no answer.
func (s *Sender) failed(ctx context.Context, op string, sent classify.Sent, err error) error {
	e := &classify.Error{Channel: s.cfg.Channel, Table: s.cfg.Table, Op: op, Sent: sent}
	var forbidden *AddressError
	if errors.As(err, &forbidden) {
		e.Reason, err = classify.ReasonAddressForbidden, forbidden
	}
	e.Err = s.cause(ctx, err)
	if sent == classify.SentUnknown && classify.Classify(e).Reason == classify.ReasonUnknown {
		// net/http does not export what it says of a connection that closed, or spoke
		// something else, instead of an answer.
		e.Reason = classify.ReasonConnectionLost
	}
	return e
}

// cause is what is told of an error. Where the context ended, net/http names only
// its cause; that it ended, and how, must be seen too.
func (s *Sender) cause(ctx context.Context, err error) error {
	if end := ctx.Err(); end != nil && !errors.Is(err, end) && errors.Is(err, context.Cause(ctx)) {
		err = fmt.Errorf("%w: %w", end, err)
	}
	return s.clean(err)
}

// Refused is the error of a reply that refuses the request: its facts, with the
// code and the text the channel found in it.
func (s *Sender) Refused(op string, r Reply, code, message string) *classify.Error {
	message = s.Redact(message)
	message = message[:min(len(message), maxMessage)]
	return &classify.Error{
		Channel: s.cfg.Channel,
		Table:   s.cfg.Table,
		Op:      op,
		Sent:    classify.SentRefused,
		Reply: classify.Reply{
			Status:     r.Status,
			Code:       s.Redact(code),
			Message:    message,
			RetryAfter: r.RetryAfter,
		},
	}
}
