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
	// maxRedirects is how many redirects are followed.
	maxRedirects = 5
	// maxHeader bounds the header of an answer.
	maxHeader = 64 << 10
)

// errSlow is the cause of a context that ended with Policy.Timeout.
var errSlow = errors.New("media timeout")

// Fetcher gets the bytes of media. It is safe for concurrent use.
type Fetcher struct {
	policy    Policy
	transport *http.Transport
}

// NewFetcher makes a Fetcher of the media that p takes.
func NewFetcher(p Policy) *Fetcher { return newFetcher(p, httpsend.Public) }

// newFetcher makes a Fetcher that without AllowPrivate dials the allowed addresses.
func newFetcher(p Policy, allow func(netip.Addr) bool) *Fetcher {
	dialer := &net.Dialer{}
	transport := &http.Transport{
		DialContext: dialer.DialContext,
		// What is unpacked has no size that the header tells.
		DisableCompression: true,
		// Media come from anywhere, seldom twice from the same host.
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

// Fetch gives the bytes of media that the policy takes: from memory what an
// envelope holds, from a file without a name what a URL stands for. Without an
// error the caller calls release once the content is not needed any more; nothing
// can be read after that. An error is a *classify.Error.
func (f *Fetcher) Fetch(ctx context.Context, m *tasks.Media) (c *tasks.Content, release func(), err error) {
	if err := f.policy.check(m); err != nil {
		return nil, nil, err
	}
	if m.URL == "" {
		return f.decode(m)
	}
	return f.download(ctx, m)
}

// decode is the bytes that the envelope holds.
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

// download is the bytes that the URL stands for.
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
	// Before the rest is read, for nothing perhaps.
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

// get follows redirects to an answer. Each request is a new one: nothing of the
// answers before it is in it but the address.
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
		// The transport itself, not a client: it keeps no cookies, tells no host where
		// it was sent from, and its errors do not hold the URL.
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
		// Neither the status nor its Retry-After are the provider's, so they are text.
		return &classify.Error{
			Op: opFetch, Sent: classify.SentNo, Reason: classify.ReasonUnavailable,
			Reply: classify.Reply{Message: fmt.Sprintf("%s answered with status %d", host, status)},
		}
	case status != http.StatusOK:
		return rejected("%s answered with status %d", host, status)
	case resp.ContentLength > f.policy.MaxBytes:
		return rejected("the media at %s has %d bytes, more than the %d that are taken", host, resp.ContentLength, f.policy.MaxBytes)
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return rejected("the media at %s comes compressed, which was not asked for", host)
	}
	return nil
}

// failed is the error of a fetch that broke off.
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
		// net/http does not export what it says of an answer that is not HTTP.
		e.Reason = classify.ReasonConnectionLost
	}
	return e
}
