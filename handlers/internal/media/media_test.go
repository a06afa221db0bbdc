package media_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/media"
	"github.com/outgate/outgate/tasks"
)

// secret stands in queries and passwords, which errors must not quote.
const secret = "s3cret"

// wantError checks that err is the error of a fetch with this reason and this part of its
// text, not ambiguous and without the secret.
func wantError(t testing.TB, err error, reason classify.Reason, part string) {
	t.Helper()
	e, ok := errors.AsType[*classify.Error](err)
	if !ok {
		t.Errorf("got %T %v, want a *classify.Error", err, err)
		return
	}
	v := classify.Classify(err)
	if v.Reason != reason || v.Ambiguous {
		t.Errorf("%v: got %+v, want %s and not ambiguous", err, v, reason)
	}
	if e.Op != "fetch" || e.Sent != classify.SentNo || e.Status != 0 || e.RetryAfter != 0 {
		t.Errorf("got %+v, want the operation fetch, SentNo and no status", e)
	}
	if !strings.Contains(err.Error(), part) {
		t.Errorf("got %q, want %q in it", err, part)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), secret) {
			t.Errorf("got the %T %v, want it without the secret", e, e)
		}
	}
}

func TestCheckRefusesWhatTheEnvelopeDeclares(t *testing.T) {
	const mib = 1 << 20
	image := tasks.Media{Kind: tasks.Image, URL: "https://cdn.example.com/a.png?t=" + secret}
	cases := map[string]struct {
		policy media.Policy
		change func(*tasks.Media)
		want   string
	}{
		"a kind that is not taken": {
			policy: media.Policy{Kinds: []tasks.MediaKind{tasks.Audio, tasks.File}},
			want:   "of kind image, the bridge takes only [audio file]",
		},
		"a type that is not taken": {
			policy: media.Policy{Types: []string{"image/png", "audio/*"}},
			change: func(m *tasks.Media) { m.MediaType = "image/gif" },
			want:   "of type image/gif, the bridge takes only image/png, audio/*",
		},
		"a type of another kind": {
			change: func(m *tasks.Media) { m.MediaType = "text/html" }, want: "the media_type is text/html, want a type of kind image",
		},
		"a size over the default": {
			change: func(m *tasks.Media) { m.SizeBytes = 50*mib + 1 }, want: "52428801 bytes, want at most 52428800",
		},
		"a size over the bound": {
			policy: media.Policy{MaxBytes: 10},
			change: func(m *tasks.Media) { m.SizeBytes = 11 }, want: "11 bytes, want at most 10",
		},
		"data over the bound": {
			policy: media.Policy{MaxBytes: 10},
			change: func(m *tasks.Media) { m.URL, m.Data = "", base64.StdEncoding.EncodeToString(make([]byte, 11)) },
			want:   "11 bytes, want at most 10",
		},
		"another scheme":        {change: setURL("ftp://example.com/a?t=" + secret), want: "neither http nor https"},
		"a file":                {change: setURL("file:///etc/passwd"), want: "neither http nor https"},
		"no host":               {change: setURL("http:///a?t=" + secret), want: "no host"},
		"no URL at all":         {change: setURL("http://e\n.com/" + secret), want: "cannot be read"},
		"a user in the URL":     {change: setURL("https://u:" + secret + "@example.com/a"), want: "holds a user or a password"},
		"a decimal address":     {change: setURL("http://2130706433/a"), want: "2130706433 is neither a host name nor"},
		"a hexadecimal address": {change: setURL("http://0x7F000001/a"), want: "neither a host name nor"},
		"hexadecimal parts":     {change: setURL("http://127.0.0.0x1./a"), want: "neither a host name nor"},
		"an octal address":      {change: setURL("http://0177.0.0.1/a"), want: "neither a host name nor"},
		"a short address":       {change: setURL("http://127.1/a"), want: "neither a host name nor"},
		"an address with a dot": {change: setURL("http://127.0.0.1./a"), want: "neither a host name nor"},
		"a user in the thumbnail's URL": {
			change: func(m *tasks.Media) { m.ThumbnailURL = "https://" + secret + "@example.com/t" },
			want:   "holds a user or a password",
		},
		"neither URL nor data": {change: setURL(""), want: "either a url or data"},
		"both URL and data":    {change: func(m *tasks.Media) { m.Data = "AA==" }, want: "either a url or data"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := image
			if c.change != nil {
				c.change(&m)
			}
			wantError(t, c.policy.Check(&m), classify.ReasonMediaRejected, c.want)
			_, _, err := media.NewFetcher(c.policy).Fetch(t.Context(), &m)
			wantError(t, err, classify.ReasonMediaRejected, c.want)
		})
	}
	wantError(t, new(media.Policy).Check(nil), classify.ReasonMediaRejected, "either a url or data")
}

func setURL(raw string) func(*tasks.Media) {
	return func(m *tasks.Media) { m.URL = raw }
}

func TestCheckAcceptsWhatOnlyTheBytesCanShow(t *testing.T) {
	image := tasks.Media{Kind: tasks.Image, URL: "https://cdn.example.com/a.png", ThumbnailURL: "http://[2001:db8::1]:8080/t"}
	cases := map[string]struct {
		policy media.Policy
		change func(*tasks.Media)
	}{
		"everything declared is taken": {
			policy: media.Policy{Kinds: []tasks.MediaKind{tasks.Image}, Types: []string{" Image/JPG "}, MaxBytes: 10},
			change: func(m *tasks.Media) { m.MediaType, m.SizeBytes = "IMAGE/pjpeg; q=1", 10 },
		},
		"a family of types":      {media.Policy{Types: []string{"image/*"}}, func(m *tasks.Media) { m.MediaType = "image/avif" }},
		"all types":              {media.Policy{Types: []string{"*/*"}}, func(m *tasks.Media) { m.MediaType = "image/avif" }},
		"nothing declared":       {media.Policy{Types: []string{"image/gif"}}, func(*tasks.Media) {}},
		"a type for any data":    {media.Policy{Types: []string{"image/gif"}}, func(m *tasks.Media) { m.MediaType = "application/octet-stream" }},
		"a text that is no type": {media.Policy{Types: []string{"image/gif"}}, func(m *tasks.Media) { m.MediaType = "png" }},
		"anything as a file":     {media.Policy{}, func(m *tasks.Media) { m.Kind, m.MediaType = tasks.File, "image/png" }},
		"sound in a container": {
			media.Policy{Types: []string{"audio/ogg"}},
			func(m *tasks.Media) { m.Kind, m.MediaType = tasks.Audio, "application/ogg" },
		},
		"data as large as the bound": {
			media.Policy{MaxBytes: 10},
			func(m *tasks.Media) { m.URL, m.Data = "", base64.StdEncoding.EncodeToString(make([]byte, 10)) },
		},
		"a name that begins with a number": {media.Policy{}, setURL("https://1.0x.example.com./a")},
		"an IPv4 address":                  {media.Policy{}, setURL("https://192.0.2.1/a")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := image
			c.change(&m)
			if err := c.policy.Check(&m); err != nil {
				t.Error(err)
			}
		})
	}
}
