// Package media says which media may be sent, and gets their bytes: decoded from
// an envelope, or downloaded from a URL.
//
// Whoever writes an envelope chooses the URL, and whoever owns the URL chooses the
// answer; neither is trusted. So a fetch ends by its time or by its size, whatever
// is served; it is never whole in memory; it reaches no private address, by no
// redirect and no name; and the bytes are taken for what they are, not for what
// they are called.
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
	// DefaultMaxBytes is how large an item may be: 50 MiB.
	DefaultMaxBytes = 50 << 20
	// DefaultTimeout is how long fetching an item may take.
	DefaultTimeout = 30 * time.Second
)

// Policy says which media a bridge takes. An envelope holds one item, so the
// bounds of an item are those of an envelope.
type Policy struct {
	// Kinds are the kinds that are taken; empty is all. An item must be of one by
	// what it is called and by what it is: without Video, a video is refused as a
	// file too.
	Kinds []tasks.MediaKind
	// Types are the media types that are taken, "image/png" or "image/*"; empty is
	// all.
	Types []string
	// MaxBytes bounds one item; zero is DefaultMaxBytes.
	MaxBytes int64
	// Timeout bounds the fetch of one item, from the name's lookup to the last byte;
	// zero is DefaultTimeout.
	Timeout time.Duration
	// AllowPrivate lets a URL stand for any address, and lets the proxy of the
	// environment be used.
	AllowPrivate bool
	// Dir is where downloads are kept while they are in use; empty is os.TempDir().
	Dir string
}

// withDefaults is the policy with every zero filled in.
func (p *Policy) withDefaults() Policy {
	out := *p
	if out.MaxBytes <= 0 {
		out.MaxBytes = DefaultMaxBytes
	}
	out.MaxBytes = min(out.MaxBytes, math.MaxInt64-1) // one more must be countable
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

// Check refuses what the envelope itself shows to be refused: by its kind, the
// type and the size it declares, and its URLs. What it does not declare is seen
// only by a Fetcher. An error is a *classify.Error.
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
			return rejected("%s is not a type of kind %s", t, m.Kind)
		}
		if err := p.takesType(t); err != nil {
			return err
		}
	}
	if size := max(m.SizeBytes, leastSize(m.Data)); size > p.MaxBytes {
		return rejected("media of %d bytes is larger than the %d that are taken", size, p.MaxBytes)
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

// leastSize is how many bytes base64 stands for at least.
func leastSize(data string) int64 {
	return int64(base64.RawStdEncoding.DecodedLen(len(strings.TrimRight(data, "="))))
}

func (p *Policy) takesKind(k tasks.MediaKind) error {
	if len(p.Kinds) == 0 || slices.Contains(p.Kinds, k) {
		return nil
	}
	return rejected("media of kind %s is not taken", k)
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
	return rejected("media of type %s is not taken", mediaType)
}

// checkURL refuses a URL that must not be fetched, whatever it stands for.
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
		return rejected("%s is neither a name nor an IP address as it is usually written", host)
	}
	return nil
}

// disguised is true for a host that ends in a number and yet is no IP address as
// Go reads it: 2130706433, 0x7f.1, 0177.0.0.1. Some resolvers take it for one, and
// no name on the internet ends so.
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

// opFetch names the step in errors.
const opFetch = "fetch"

// rejected is the error of media that will not do, whoever tries again.
func rejected(format string, args ...any) error {
	return &classify.Error{
		Op:     opFetch,
		Sent:   classify.SentNo,
		Reason: classify.ReasonMediaRejected,
		Reply:  classify.Reply{Message: fmt.Sprintf(format, args...)},
	}
}
