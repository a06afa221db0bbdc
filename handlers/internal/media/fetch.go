package media

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

const (
	// maxRedirects is the number of redirects that are followed.
	maxRedirects = 5
	// maxHeader bounds the header of an answer.
	maxHeader = 64 << 10
)

// errSlow is the cause of a context that ended because of Policy.Timeout.
var errSlow = errors.New("media timeout")

// Fetcher gets the bytes of media. It is safe for concurrent use.
type Fetcher struct {
	policy    Policy
	transport *http.Transport
}

// NewFetcher makes a Fetcher for the media that p takes.
func NewFetcher(p Policy) *Fetcher { return newFetcher(p, httpsend.Public) }

// newFetcher makes a Fetcher that dials only the allowed addresses, unless the policy has
// AllowPrivate.
func newFetcher(p Policy, allow func(netip.Addr) bool) *Fetcher {
	dialer := &net.Dialer{}
	transport := &http.Transport{
		DialContext: dialer.DialContext,
		// Unpacked bytes would not have the size that the header declares.
		DisableCompression: true,
		// Media seldom come twice from the same host.
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxHeader,
		Protocols:              new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true)
	if p.AllowPrivate {
		transport.Proxy = http.ProxyFromEnvironment
	} else {
		dialer.Control = httpsend.Guard(allow)
	}
	return &Fetcher{policy: p.withDefaults(), transport: transport}
}

// Fetch returns the bytes of media: in memory if the envelope holds them, in an unnamed file
// if they come from a URL. Without an error, the caller must call release when it no longer
// needs the content. An error is a *classify.Error.
func (f *Fetcher) Fetch(ctx context.Context, m *tasks.Media) (c *tasks.Content, release func(), err error) {
	if err := f.policy.check(m); err != nil {
		return nil, nil, err
	}
	if m.URL == "" {
		return f.decode(m)
	}
	return f.download(ctx, m)
}

// decode returns the bytes that the envelope holds.
func (f *Fetcher) decode(m *tasks.Media) (*tasks.Content, func(), error) {
	data, err := base64.StdEncoding.DecodeString(m.Data)
	if err != nil {
		return nil, nil, rejected("the media's data is not base64")
	}
	mediaType, err := f.policy.realType(m, data, "")
	if err != nil {
		return nil, nil, err
	}
	return &tasks.Content{
		Size:      int64(len(data)),
		MediaType: mediaType,
		Filename:  filename(m, mediaType),
		Open:      func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}, func() {}, nil
}

// download returns the bytes at the URL.
func (f *Fetcher) download(ctx context.Context, m *tasks.Media) (*tasks.Content, func(), error) {
	ctx, cancel := context.WithTimeoutCause(ctx, f.policy.Timeout, errSlow)
	defer cancel()
	resp, err := f.get(ctx, m.URL)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := f.accept(resp); err != nil {
		return nil, nil, err
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, headSize))
	if err != nil {
		return nil, nil, f.failed(ctx, err)
	}
	if len(head) == 0 {
		return nil, nil, rejected("the media at %s is empty", resp.Request.URL.Hostname())
	}
	// This check avoids reading the rest of media that are refused.
	mediaType, err := f.policy.realType(m, head, resp.Header.Get("Content-Type"))
	if err != nil {
		return nil, nil, err
	}
	s, err := newSpool(f.policy.Dir)
	if err != nil {
		return nil, nil, err
	}
	body := &source{r: io.MultiReader(bytes.NewReader(head), resp.Body)}
	switch err := s.fill(body, f.policy.MaxBytes); {
	case body.err != nil:
		s.close()
		return nil, nil, f.failed(ctx, body.err)
	case err != nil:
		s.close()
		return nil, nil, err
	}
	return &tasks.Content{
		Size:      s.size,
		MediaType: mediaType,
		Filename:  filename(m, mediaType),
		Open:      s.open,
	}, s.close, nil
}

// get requests the URL and follows redirects. Each request is new: it takes only the address
// from the answer before it.
func (f *Fetcher) get(ctx context.Context, raw string) (*http.Response, error) {
	u, err := url.Parse(raw)
	for range maxRedirects + 1 {
		if err != nil {
			return nil, rejected("the media is redirected to a URL that cannot be read")
		}
		if err := checkURL(u); err != nil {
			return nil, err
		}
		req := (&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{
			"User-Agent": {"outgate"}, "Accept": {"*/*"}, "Accept-Encoding": {"identity"},
		}}).WithContext(ctx)
		// This is the transport, not a client: it keeps no cookies, sends no Referer, and
		// its errors do not hold the URL.
		resp, failure := f.transport.RoundTrip(req)
		if failure != nil {
			return nil, f.failed(ctx, failure)
		}
		location := resp.Header.Get("Location")
		if !redirects(resp.StatusCode) || location == "" {
			return resp, nil
		}
		_ = resp.Body.Close()
		u, err = u.Parse(location)
	}
	return nil, rejected("the media is redirected more than %d times", maxRedirects)
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// accept refuses an answer by its status and header.
func (f *Fetcher) accept(resp *http.Response) error {
	host, status := resp.Request.URL.Hostname(), resp.StatusCode
	switch {
	case status >= 500, status == http.StatusTooManyRequests,
		status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		// The status and its Retry-After are not the provider's, so they stay text.
		return &classify.Error{
			Op: opFetch, Sent: classify.SentNo, Reason: classify.ReasonUnavailable,
			Reply: classify.Reply{Message: fmt.Sprintf("%s answered with status %d", host, status)},
		}
	case status != http.StatusOK:
		return rejected("%s answered with status %d, want 200", host, status)
	case resp.ContentLength > f.policy.MaxBytes:
		return rejected("the media at %s has %d bytes, want at most %d", host, resp.ContentLength, f.policy.MaxBytes)
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return rejected("the media at %s is compressed, want it uncompressed", host)
	}
	return nil
}

// failed makes the error for a fetch that broke off.
func (f *Fetcher) failed(ctx context.Context, err error) error {
	e := &classify.Error{Op: opFetch, Sent: classify.SentNo, Err: err}
	cause := context.Cause(ctx)
	if forbidden, ok := errors.AsType[*httpsend.AddressError](err); ok {
		e.Reason, e.Err = classify.ReasonAddressForbidden, forbidden
		return e
	}
	switch {
	case cause == nil:
	case errors.Is(cause, errSlow):
		e.Reason, e.Err = classify.ReasonTimeout, context.DeadlineExceeded
		e.Message = fmt.Sprintf("the media was not there after %s", f.policy.Timeout.Round(time.Millisecond))
		return e
	case errors.Is(cause, ctx.Err()):
		e.Err = cause
		return e
	default:
		e.Err = fmt.Errorf("%w: %w", ctx.Err(), cause)
		return e
	}
	if classify.Classify(e).Reason == classify.ReasonUnknown {
		// net/http has no exported error for an answer that is not HTTP.
		e.Reason = classify.ReasonConnectionLost
	}
	return e
}
