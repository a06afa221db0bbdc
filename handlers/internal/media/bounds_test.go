package media_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/media"
	"github.com/outgate/outgate/tasks"
)

// zeros serves n zero bytes, and counts those that were sent.
func zeros(n int64, declared bool, served chan<- int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if declared {
			w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		}
		block, sent := make([]byte, 64<<10), int64(0)
		for sent < n {
			m, err := w.Write(block[:min(int64(len(block)), n-sent)])
			if sent += int64(m); err != nil {
				break
			}
		}
		served <- sent
	}
}

// allocated is the number of bytes that the whole process allocates during f.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const (
	mib = 1 << 20
	gib = 1 << 30
	// flat is the most that a fetch of any size may allocate, with the part of the test's
	// server.
	flat = 2 * mib
)

func TestMemoryIsFlatAndAGigabyteIsRefused(t *testing.T) {
	cases := map[string]struct {
		size, limit int64
		declared    bool
		most        int64 // the most bytes that the host may send
		text        string
	}{
		"a declared gigabyte is refused unread": {
			size: gib, declared: true, most: 16 * mib, text: "has 1073741824 bytes, want at most 52428800",
		},
		"a gigabyte of unknown size is cut off": {
			size: gib, most: 80 * mib, text: "larger than the 52428800 bytes",
		},
		"one byte too many":           {size: 4*mib + 1, limit: 4 * mib, most: 5 * mib, text: "larger than the 4194304 bytes"},
		"exactly the limit":           {size: 64 * mib, limit: 64 * mib, most: 64 * mib},
		"exactly the limit, declared": {size: 64 * mib, limit: 64 * mib, declared: true, most: 64 * mib},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			served := make(chan int64, 1)
			m := &tasks.Media{Kind: tasks.File, URL: serve(t, zeros(c.size, c.declared, served))}
			f := fetcher(t, media.Policy{MaxBytes: c.limit})
			var (
				content *tasks.Content
				err     error
			)
			bytes := allocated(func() {
				var release func()
				if content, release, err = f.Fetch(t.Context(), m); err == nil {
					release()
				}
			})
			if bytes > flat {
				t.Errorf("got %d bytes allocated, want at most %d", bytes, flat)
			}
			if n := <-served; n > c.most {
				t.Errorf("the host sent %d bytes, want at most %d", n, c.most)
			}
			if c.text != "" {
				wantError(t, err, classify.ReasonMediaRejected, c.text)
				return
			}
			if err != nil || content.Size != c.size || content.MediaType != "application/octet-stream" {
				t.Errorf("got %+v, %v; want %d bytes of any data", content, err, c.size)
			}
		})
	}
}

func TestFetchEndsAtItsTimeout(t *testing.T) {
	flush := func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
	cases := map[string]http.HandlerFunc{
		"no header": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"no body": func(w http.ResponseWriter, r *http.Request) {
			flush(w)
			<-r.Context().Done()
		},
		"a body that stalls": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(make([]byte, 10_000))
			flush(w)
			<-r.Context().Done()
		},
		"a body that drips": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(make([]byte, 1000))
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-r.Context().Done():
					return
				case <-tick.C:
					_, _ = w.Write([]byte{0})
					flush(w)
				}
			}
		},
	}
	for name, h := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := fetcher(t, media.Policy{Timeout: 100 * time.Millisecond})
			_, _, err := f.Fetch(t.Context(), &tasks.Media{Kind: tasks.File, URL: serve(t, h) + "/?t=" + secret})
			wantError(t, err, classify.ReasonTimeout, "the media was not there after 100ms")
			if !classify.Classify(err).Retryable() {
				t.Error("got a final error for a slow host, want a retryable one")
			}
		})
	}
}

func TestEndlessBodyIsCutAtItsLimit(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write(make([]byte, 4096))
		}
	})
	_, _, err := fetcher(t, media.Policy{MaxBytes: 100_000}).Fetch(t.Context(), &tasks.Media{Kind: tasks.File, URL: base})
	wantError(t, err, classify.ReasonMediaRejected, "larger than the 100000 bytes")
}

// A compression bomb counts by its packed size if it is a file, and is refused if the host
// declares it as a Content-Encoding.
func TestNothingIsUnpacked(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 32 {
		_, _ = z.Write(make([]byte, mib))
	}
	_ = z.Close()
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/packed" {
			w.Header().Set("Content-Encoding", "gzip")
		}
		_, _ = w.Write(bomb.Bytes())
	})
	f := fetcher(t, media.Policy{MaxBytes: mib})
	c, release, err := f.Fetch(t.Context(), &tasks.Media{Kind: tasks.File, URL: base + "/zeros.gz"})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if c.Size != int64(bomb.Len()) || c.MediaType != "application/gzip" {
		t.Errorf("got %+v, want an application/gzip of %d bytes", c, bomb.Len())
	}
	_, _, err = f.Fetch(t.Context(), &tasks.Media{Kind: tasks.File, URL: base + "/packed"})
	wantError(t, err, classify.ReasonMediaRejected, "is compressed")
}
