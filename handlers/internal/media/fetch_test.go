package media_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/media"
	"github.com/outgate/outgate/tasks"
)

// png begins like a PNG.
var png = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR, and so on")

func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// fetcher makes a Fetcher that may reach loopback addresses. At the end its folder must be
// empty.
func fetcher(t testing.TB, p media.Policy) *media.Fetcher {
	t.Helper()
	p.AllowPrivate, p.Dir = true, spoolDir(t)
	return media.NewFetcher(p)
}

// read returns all bytes of a content.
func read(t testing.TB, c *tasks.Content) []byte {
	t.Helper()
	r, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestURLIsDownloaded(t *testing.T) {
	type request struct {
		line   string
		header http.Header
	}
	got := make(chan request, 1)
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got <- request{r.Method + " " + r.RequestURI, r.Header}
		w.Header().Set("Content-Type", "image/gif")
		_, _ = w.Write(png)
	})
	c, release, err := fetcher(t, media.Policy{}).Fetch(t.Context(), &tasks.Media{
		Kind: tasks.Image, URL: base + "/a%20b/my%20cat.png?t=" + secret + "#top", MediaType: "image/jpeg", SizeBytes: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if c.Size != int64(len(png)) || c.MediaType != "image/png" || c.Filename != "my cat.png" {
		t.Errorf("got %+v, want the image/png my cat.png of %d bytes", c, len(png))
	}
	for range 2 {
		if b := read(t, c); !bytes.Equal(b, png) {
			t.Errorf("got %q, want %q", b, png)
		}
	}
	want := request{"GET /a%20b/my%20cat.png?t=" + secret, http.Header{
		"User-Agent": {"outgate"}, "Accept": {"*/*"}, "Accept-Encoding": {"identity"}, "Connection": {"close"},
	}}
	if diff := cmp.Diff(want, <-got, cmp.AllowUnexported(request{})); diff != "" {
		t.Errorf("the request (-want +got):\n%s", diff)
	}
}

func TestDataIsDecoded(t *testing.T) {
	m := &tasks.Media{Kind: tasks.Image, Data: base64.StdEncoding.EncodeToString(png)}
	c, release, err := media.NewFetcher(media.Policy{MaxBytes: int64(len(png))}).Fetch(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if c.Size != int64(len(png)) || c.MediaType != "image/png" || c.Filename != "image.png" {
		t.Errorf("got %+v, want the image/png image.png of %d bytes", c, len(png))
	}
	for range 2 {
		if b := read(t, c); !bytes.Equal(b, png) {
			t.Errorf("got %q, want %q", b, png)
		}
	}
}

func TestBadDataIsRefused(t *testing.T) {
	for data, want := range map[string]string{
		"a": "not base64", "====": "not base64", "a-_b": "not base64",
		base64.StdEncoding.EncodeToString([]byte("<html>")): "its bytes are text/html",
	} {
		_, _, err := media.NewFetcher(media.Policy{}).Fetch(t.Context(), &tasks.Media{Kind: tasks.Image, Data: data})
		wantError(t, err, classify.ReasonMediaRejected, want)
	}
}

func TestReadersAreIndependent(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 10_000)
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) })
	c, release, err := fetcher(t, media.Policy{MaxBytes: math.MaxInt64}).Fetch(t.Context(), &tasks.Media{Kind: tasks.File, URL: base})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r, err := c.Open()
			if err != nil {
				t.Error(err)
				return
			}
			if b, err := io.ReadAll(r); err != nil || !bytes.Equal(b, body) {
				t.Errorf("got %d bytes, %v; want all %d", len(b), err, len(body))
			}
		})
	}
	wg.Wait()
	if c.Filename != "file.txt" || c.MediaType != "text/plain" {
		t.Errorf("got %+v, want the text/plain file.txt", c)
	}
}

func TestAnswersWithoutMediaAreErrors(t *testing.T) {
	answer := func(status int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
		}
	}
	hijack := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}
	}
	long := strings.Repeat("x", 600)
	cases := map[string]struct {
		answer http.HandlerFunc
		reason classify.Reason
		text   string
	}{
		"204":                    {answer(204), classify.ReasonMediaRejected, "127.0.0.1 answered with status 204"},
		"206":                    {answer(206), classify.ReasonMediaRejected, "status 206"},
		"304":                    {answer(304, "Location", "/"), classify.ReasonMediaRejected, "status 304"},
		"302 to nowhere":         {answer(302), classify.ReasonMediaRejected, "status 302"},
		"401":                    {answer(401), classify.ReasonMediaRejected, "status 401"},
		"404":                    {answer(404), classify.ReasonMediaRejected, "status 404"},
		"410":                    {answer(410), classify.ReasonMediaRejected, "status 410"},
		"101":                    {hijack("HTTP/1.1 101 Upgrade\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), classify.ReasonMediaRejected, "status 101"},
		"408":                    {answer(408), classify.ReasonUnavailable, "status 408"},
		"425":                    {answer(425), classify.ReasonUnavailable, "status 425"},
		"429":                    {answer(429, "Retry-After", "30"), classify.ReasonUnavailable, "status 429"},
		"500":                    {answer(500), classify.ReasonUnavailable, "status 500"},
		"503":                    {answer(503, "Retry-After", "30"), classify.ReasonUnavailable, "status 503"},
		"no body":                {answer(200), classify.ReasonMediaRejected, "is empty"},
		"a compressed body":      {answer(200, "Content-Encoding", "gzip"), classify.ReasonMediaRejected, "compressed"},
		"a redirect to no URL":   {answer(302, "Location", "http://%zz/"+secret), classify.ReasonMediaRejected, "cannot be read"},
		"a redirect to a file":   {answer(302, "Location", "file:///etc/passwd"), classify.ReasonMediaRejected, "neither http nor https"},
		"a redirect to a user":   {answer(302, "Location", "http://u:"+secret+"@127.0.0.1/"), classify.ReasonMediaRejected, "user or a password"},
		"a redirect in disguise": {answer(302, "Location", "http://0x7f.1/"), classify.ReasonMediaRejected, "0x7f.1 is neither"},
		"a redirect to itself":   {answer(307, "Location", "?t="+secret), classify.ReasonMediaRejected, "more than 5 times"},
		"no HTTP":                {hijack("220 smtp ready\r\n"), classify.ReasonConnectionLost, "malformed HTTP"},
		"no answer":              {hijack(""), classify.ReasonConnectionLost, "EOF"},
		"a header too long":      {hijack("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 80<<10) + "\r\n\r\n"), classify.ReasonConnectionLost, "exceeded"},
		"a head cut off":         {hijack("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc"), classify.ReasonConnectionLost, "unexpected EOF"},
		"a body cut off":         {hijack("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + long), classify.ReasonConnectionLost, "unexpected EOF"},
		"a chunk cut off":        {hijack("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + long), classify.ReasonConnectionLost, "unexpected EOF"},
		"a chunk that is none":   {hijack("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n" + long + "\r\nzz\r\n"), classify.ReasonConnectionLost, "invalid byte"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := &tasks.Media{Kind: tasks.File, URL: serve(t, c.answer) + "/a?t=" + secret}
			_, release, err := fetcher(t, media.Policy{}).Fetch(t.Context(), m)
			wantError(t, err, c.reason, c.text)
			if release != nil {
				t.Error("got a release function with an error, want nil")
			}
		})
	}
}

func TestRedirectsAreFollowed(t *testing.T) {
	var headers []http.Header
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		headers = append(headers, r.Header)
		if n := len(headers); n <= 5 {
			w.Header().Set("Set-Cookie", "id="+secret)
			w.Header().Set("Location", fmt.Sprintf("/hop/%d", n))
			w.WriteHeader([]int{301, 302, 303, 307, 308}[n-1])
			return
		}
		_, _ = w.Write(png)
	})
	c, release, err := fetcher(t, media.Policy{}).Fetch(t.Context(), &tasks.Media{Kind: tasks.Image, URL: base + "/first.png"})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if c.Filename != "first.png" || len(headers) != 6 {
		t.Errorf("got %q after %d requests, want first.png after 6", c.Filename, len(headers))
	}
	if diff := cmp.Diff(headers[0], headers[5]); diff != "" {
		t.Errorf("got other headers in the last request, want those of the first (-first +last):\n%s", diff)
	}
}
