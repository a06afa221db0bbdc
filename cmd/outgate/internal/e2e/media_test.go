package e2e

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/tasks"
)

// png is an image of one pixel.
var png = func() []byte {
	b, err := base64.StdEncoding.DecodeString(
		"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
	if err != nil {
		panic(err)
	}
	return b
}()

func picture(m tasks.Media) tasks.Payload {
	m.Kind = tasks.Image
	return tasks.Payload{Media: &m}
}

func TestMediaReachEachChannelFromDataAndFromAURL(t *testing.T) {
	t.Parallel()
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(png)
	}))
	t.Cleanup(host.Close)
	address := host.URL + "/cat.png"
	forEach(t, unlimited(), func(t *testing.T, p *provider) {
		d := p.with("allow_private: true").open(t)
		data := base64.StdEncoding.EncodeToString(png)
		first := d.Send(d.envelope(0, tasks.SendMedia, picture(tasks.Media{Data: data, Filename: "dot.png", Caption: "a dot"}), ""))
		d.Send(d.envelope(0, tasks.SendMedia, picture(tasks.Media{URL: address, Caption: "a cat"}), ""))
		d.Send(d.envelope(0, tasks.EditMedia, picture(tasks.Media{Data: data, Filename: "new.png", Caption: "a new dot"}), first.MessageID))
		type shown struct {
			Text, Media string
			Bytes       int64
		}
		var got []shown
		for _, m := range d.Messages(d.room(0)) {
			got = append(got, shown{m.Text, m.Media, m.Bytes})
		}
		fetched := shown{"a cat", "cat.png", int64(len(png))}
		if p.channel == "telegram" { // it fetches the URL itself
			fetched = shown{"a cat", address, 0}
		}
		want := []shown{{"a new dot", "new.png", int64(len(png))}, fetched}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the room (-want +got):\n%s", diff)
		}
		if accepted := fmt.Sprint(first.Media["accepted"]); accepted != "[image]" {
			t.Errorf("got media %v in the outcome, want [image] accepted", first.Media)
		}
	})
}

// hostile serves media that a gateway must refuse, and counts the bytes.
type hostile struct{ served atomic.Int64 }

func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	block := make([]byte, 64<<10)
	copy(block, png)
	send := func(b []byte) bool {
		n, err := w.Write(b)
		h.served.Add(int64(n))
		return err == nil
	}
	w.Header().Set("Content-Type", "image/png")
	switch r.URL.Path {
	case "/declared": // 1 GB with a Content-Length
		w.Header().Set("Content-Length", fmt.Sprint(1<<30))
		for h.served.Load() < 1<<30 && send(block) {
		}
	case "/undeclared": // 1 GB without a Content-Length
		for h.served.Load() < 1<<30 && send(block) {
		}
	case "/endless": // a byte every 20 ms
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for send(block[:1]) {
			_ = http.NewResponseController(w).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	case "/lies":
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><script>alert(1)</script></html>"+strings.Repeat(" ", 1000))
	case "/redirects":
		w.Header().Set("Location", "http://2130706433/latest/meta-data") // 127.0.0.1 as a number
		w.WriteHeader(http.StatusFound)
	}
}

func TestHostileMediaAreRefusedWithAReason(t *testing.T) {
	t.Parallel()
	const largest = 8 << 20
	tests := make(map[string]func(*testing.T))
	for name, tc := range map[string]struct {
		path, keys, text string
		reason           classify.Reason
	}{
		"a private address":           {"/lies", "", "not public", classify.ReasonAddressForbidden},
		"a redirect to a private one": {"/redirects", "allow_private: true", "2130706433", classify.ReasonMediaRejected},
		"1 GB with a Content-Length":  {"/declared", "allow_private: true", "1073741824 bytes", classify.ReasonMediaRejected},
		"1 GB without Content-Length": {"/undeclared", "allow_private: true", "larger than the 8388608 bytes", classify.ReasonMediaRejected},
		"a body that never ends":      {"/endless", "allow_private: true", "not there after 300ms", classify.ReasonTimeout},
		"a wrong media type":          {"/lies", "allow_private: true", "text/html", classify.ReasonMediaRejected},
	} {
		tests[name] = func(t *testing.T) {
			bad := new(hostile)
			host := httptest.NewServer(bad)
			t.Cleanup(func() { host.CloseClientConnections(); host.Close() })
			p := discordWith(discordfake.Unlimited).
				with(fmt.Sprintf("delivery: {max_attempts: 2}, media_policy: {max_bytes: %d, fetch_timeout: 300ms}", largest))
			if tc.path == "/undeclared" { // a busy machine must reach the bound too
				p = discordWith(discordfake.Unlimited).with(fmt.Sprintf("media_policy: {max_bytes: %d}", largest))
			}
			if tc.keys != "" {
				p = p.with(tc.keys)
			}
			d := p.open(t)
			e := d.Outcome(d.Enqueue(d.envelope(0, tasks.SendMedia, picture(tasks.Media{URL: host.URL + tc.path}), ""))).Error
			if e == nil || e.Reason != tc.reason || e.Ambiguous || !strings.Contains(e.Provider.Message, tc.text) {
				t.Errorf("got outcome %+v, want reason %s and %q", e, tc.reason, tc.text)
			}
			// The kernel buffers bytes that are served and not read.
			if served := bad.served.Load(); served > largest+16<<20 {
				t.Errorf("got %d bytes served, want at most %d", served, largest+16<<20)
			}
			if n := d.Counts().Requests; n != 0 {
				t.Errorf("got %d requests at the provider, want 0", n)
			}
			d.Send(d.envelope(0, tasks.Send, tasks.Text("the room goes on"), ""))
		}
	}
	atOnce(t, tests)
}

// heapPeak samples the heap until stop is called; stop returns its largest growth.
func heapPeak() (stop func() uint64) {
	var before, m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		highest := before.HeapInuse
		for {
			select {
			case <-done:
				peak <- highest - before.HeapInuse
				return
			case <-tick.C:
				runtime.ReadMemStats(&m)
				highest = max(highest, m.HeapInuse)
			}
		}
	}()
	return func() uint64 { close(done); return <-peak }
}

// Not parallel: all tests of the process share the heap.
func TestAGigabyteOfMediaDoesNotGoThroughTheHeap(t *testing.T) {
	bad := new(hostile)
	host := httptest.NewServer(bad)
	t.Cleanup(host.Close)
	d := discordWith(discordfake.Unlimited).with("allow_private: true, media_policy: {max_bytes: 200000000}").open(t)
	stop := heapPeak()
	e := d.Outcome(d.Enqueue(d.envelope(0, tasks.SendMedia, picture(tasks.Media{URL: host.URL + "/undeclared"}), ""))).Error
	grew := stop()
	served := bad.served.Load()
	t.Logf("%d MB served of a gigabyte: the heap grew by %.1f MiB at most", served/1_000_000, float64(grew)/(1<<20))
	if e == nil || e.Reason != classify.ReasonMediaRejected || served < 200_000_000 {
		t.Errorf("got outcome %+v after %d bytes, want media_rejected after at least 200 MB", e, served)
	}
	if grew > 32<<20 {
		t.Errorf("got a growth of the heap by %d bytes, want at most 32 MiB", grew)
	}
}
