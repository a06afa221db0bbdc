// Package media decides which media may be sent and gets their bytes: decoded from an
// envelope, or downloaded from a URL.
//
// It trusts neither the producer, who chooses the URL, nor the host, which chooses the
// answer:
//
//   - A fetch is bounded in time and in size.
//   - A download is never held in memory as a whole.
//   - An SSRF guard refuses private addresses, also after a redirect and for any name.
//   - The bytes decide the type, not what the envelope or the host says.
package media

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

const (
	// DefaultMaxBytes is the largest size of an item: 50 MiB.
	DefaultMaxBytes = 50 << 20
	// DefaultTimeout is how long the fetch of an item may take.
	DefaultTimeout = 30 * time.Second
)

// Policy says which media a bridge takes. An envelope holds one item, so the bounds of an
// item are the bounds of an envelope.
type Policy struct {
	// Kinds are the kinds that are taken; empty means all. The kind that the envelope
	// declares must be one of them.
	Kinds []tasks.MediaKind
	// Types are the media types that are taken, "image/png" or "image/*"; empty means all.
	Types []string
	// MaxBytes bounds one item; zero means DefaultMaxBytes.
	MaxBytes int64
	// Timeout bounds the fetch of one item, from the DNS lookup to the last byte; zero
	// means DefaultTimeout.
	Timeout time.Duration
	// AllowPrivate allows any address, and the proxy of the environment.
	AllowPrivate bool
	// Dir is the folder of downloads in use; empty means os.TempDir().
	Dir string
}

// withDefaults returns the policy with its defaults filled in.
func (p *Policy) withDefaults() Policy {
	out := *p
	if out.MaxBytes <= 0 {
		out.MaxBytes = DefaultMaxBytes
	}
	out.MaxBytes = min(out.MaxBytes, math.MaxInt64-1) // MaxBytes+1 must not overflow
	if out.Timeout <= 0 {
		out.Timeout = DefaultTimeout
	}
	if out.Dir == "" {
		out.Dir = os.TempDir()
	}
	out.Types = make([]string, len(p.Types))
	for i, t := range p.Types {
		out.Types[i] = usual(strings.ToLower(strings.TrimSpace(t)))
	}
	return out
}

// Check refuses media by what the envelope declares: kind, type, size and URLs. Only a
// Fetcher can check the bytes. An error is a *classify.Error.
func (p *Policy) Check(m *tasks.Media) error {
	full := p.withDefaults()
	return full.check(m)
}

func (p *Policy) check(m *tasks.Media) error {
	if m == nil || (m.URL == "") == (m.Data == "") {
		return rejected("media needs either a url or data")
	}
	if err := p.takesKind(m.Kind); err != nil {
		return err
	}
	if t := parseType(m.Kind, m.MediaType); t != "" {
		if !agrees(m.Kind, t) {
			return rejected("the media_type is %s, want a type of kind %s", t, m.Kind)
		}
		if err := p.takesType(t); err != nil {
			return err
		}
	}
	if size := max(m.SizeBytes, leastSize(m.Data)); size > p.MaxBytes {
		return rejected("the media has %d bytes, want at most %d", size, p.MaxBytes)
	}
	for _, raw := range []string{m.URL, m.ThumbnailURL} {
		if raw == "" {
			continue
		}
		u, err := url.Parse(raw)
		if err != nil {
			return rejected("the media's URL cannot be read")
		}
		if err := checkURL(u); err != nil {
			return err
		}
	}
	return nil
}

// leastSize is the smallest number of bytes that base64 can decode to.
func leastSize(data string) int64 {
	return int64(base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(data, "="))))
}

func (p *Policy) takesKind(k tasks.MediaKind) error {
	if len(p.Kinds) == 0 || slices.Contains(p.Kinds, k) {
		return nil
	}
	return rejected("the media is of kind %s, the bridge takes only %s", k, fmt.Sprint(p.Kinds))
}

func (p *Policy) takesType(mediaType string) error {
	if len(p.Types) == 0 {
		return nil
	}
	for _, t := range p.Types {
		family, all := strings.CutSuffix(t, "/*")
		if t == mediaType || all && (family == "*" || strings.HasPrefix(mediaType, family+"/")) {
			return nil
		}
	}
	return rejected("the media is of type %s, the bridge takes only %s", mediaType, strings.Join(p.Types, ", "))
}

// checkURL refuses a URL that must not be fetched, before its name is resolved.
func checkURL(u *url.URL) error {
	host := u.Hostname()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return rejected("the media's URL is neither http nor https")
	case host == "":
		return rejected("the media's URL has no host")
	case u.User != nil:
		return rejected("the media's URL holds a user or a password")
	case disguised(host):
		return rejected("%s is neither a host name nor an IP address in its usual form", host)
	}
	return nil
}

// disguised is true for a host that ends in a number but is not an IP address for Go, like
// 2130706433, 0x7f.1 or 0177.0.0.1. Some resolvers read it as one, and no name on the
// internet ends in a number.
func disguised(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	last := strings.ToLower(strings.TrimSuffix(host, "."))
	last = last[strings.LastIndexByte(last, '.')+1:]
	if digits, hex := strings.CutPrefix(last, "0x"); hex {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// opFetch names the operation in errors.
const opFetch = "fetch"

// rejected makes the error for media that a retry cannot help.
func rejected(format string, args ...any) error {
	return &classify.Error{
		Op:     opFetch,
		Sent:   classify.SentNo,
		Reason: classify.ReasonMediaRejected,
		Reply:  classify.Reply{Message: fmt.Sprintf(format, args...)},
	}
}
