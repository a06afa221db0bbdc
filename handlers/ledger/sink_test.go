package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/outgate/outgate/handlers/ledger"
)

// request is a delivery of the webhook channel; data are more fields of its body.
func request(ctx context.Context, url, id string, attempt int, data string) *http.Request {
	body := fmt.Sprintf(`{"type":"message.send","data":{"id":%q,"routing_key":"orders:1","attempt":%d,%s}}`, id, attempt, data)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Webhook-Id", id)
	return r
}

func numbered(seq int) string { return fmt.Sprintf(`"text":"%s and more"`, ledger.Text(seq)) }

// serve lets the sink answer one request.
func serve(t *testing.T, s *ledger.Sink, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestSinkAnswersAsTold(t *testing.T) {
	tests := map[string]struct {
		sink   ledger.Sink
		status int
		header http.Header
		body   string
	}{
		"an ordinary delivery is accepted with a message id": {
			status: 200, body: `{"message_id":"m-007-1"}`,
		},
		"a FailShare of 1 fails everything with 503 by default": {
			sink: ledger.Sink{FailShare: 1}, status: 503,
		},
		"a FailShare fails with the FailStatus": {
			sink: ledger.Sink{FailShare: 1, FailStatus: 400}, status: 400,
		},
		"a throttled delivery is told how many seconds to wait, rounded up": {
			sink:   ledger.Sink{Throttle: func(ledger.Record) time.Duration { return 1100 * time.Millisecond }},
			status: 429, header: http.Header{"Retry-After": {"2"}},
		},
		"a throttle of 0 lets the delivery pass": {
			sink:   ledger.Sink{Throttle: func(ledger.Record) time.Duration { return 0 }},
			status: 200, body: `{"message_id":"m-007-1"}`,
		},
		"Reply decides before all other fields": {
			sink: ledger.Sink{
				FailShare: 1,
				Reply: func(rec ledger.Record) (int, http.Header, bool) {
					return 410, http.Header{"X-Room": {rec.Room}}, false
				},
			},
			status: 410, header: http.Header{"X-Room": {"orders:1"}},
		},
		"Reply may leave the answer to the other fields": {
			sink: ledger.Sink{
				FailShare: 1,
				Reply:     func(ledger.Record) (int, http.Header, bool) { return 0, nil, false },
			},
			status: 503,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sink := tt.sink
			sink.Ledger = ledger.New()
			w := serve(t, &sink, request(t.Context(), "/", "007-1", 3, numbered(5)))
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("answer %d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
			for name := range tt.header {
				if got, want := w.Header().Get(name), tt.header.Get(name); got != want {
					t.Errorf("header %s = %q, want %q", name, got, want)
				}
			}
			want := []ledger.Record{{Room: "orders:1", Seq: 5, ID: "007-1", Attempt: 3, Accepted: tt.status == 200}}
			got := sink.Ledger.Records()
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(ledger.Record{}, "Start", "End")); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if got[0].Start.IsZero() || got[0].End.Before(got[0].Start) {
				t.Errorf("got a delivery from %v to %v, want a start and a later end", got[0].Start, got[0].End)
			}
		})
	}
}

func TestSinkReadsTheNumberFromACaption(t *testing.T) {
	sink := &ledger.Sink{Ledger: ledger.New()}
	r := request(t.Context(), "/", "a", 1, `"media":{"kind":"image","caption":"seq=9"}`)
	r.Header.Del("Webhook-Id")
	serve(t, sink, r)
	if got := sink.Ledger.Records(); len(got) != 1 || got[0].Seq != 9 || got[0].ID != "a" {
		t.Errorf("records = %v, want one with number 9 and id a", got)
	}
}

func TestSinkRefusesWhatItCannotRecord(t *testing.T) {
	sink := &ledger.Sink{Ledger: ledger.New()}
	broken := request(t.Context(), "/", "a", 1, numbered(1))
	broken.Body = io.NopCloser(iotest.ErrReader(errors.New("cut off")))
	tests := map[string]struct {
		request *http.Request
		why     string
	}{
		"a body that is cut off":  {broken, "read the body: cut off"},
		"a body that is not JSON": {httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader("x")), "decode the body"},
		"a text without number":   {request(t.Context(), "/", "a", 1, `"text":"hi"`), `message a has the text "hi", want one that begins with "seq="`},
		"a piece of a message":    {request(t.Context(), "/", "a", 1, numbered(1)+`,"chunk":{"index":0,"count":2}`), "message a is in 2 pieces, want one"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := serve(t, sink, tt.request)
			if w.Code != 400 || !strings.Contains(w.Body.String(), tt.why) {
				t.Errorf("answer %d %q, want 400 that says %q", w.Code, w.Body, tt.why)
			}
		})
	}
	if got := sink.Ledger.Records(); len(got) != 0 {
		t.Errorf("records = %v, want none", got)
	}
}

func TestSinkFailsTheSameShareInEveryRun(t *testing.T) {
	const n = 8000
	failed := func() map[string]bool {
		sink := &ledger.Sink{Ledger: ledger.New(), FailShare: 0.05}
		failed := make(map[string]bool)
		for i := range n / 2 {
			for attempt := 1; attempt <= 2; attempt++ {
				id := fmt.Sprintf("007-%016x", i)
				w := serve(t, sink, request(t.Context(), "/", id, attempt, numbered(1)))
				if w.Code == 503 {
					failed[fmt.Sprintf("%s/%d", id, attempt)] = true
				}
			}
		}
		return failed
	}
	first := failed()
	if share := float64(len(first)) / n; share < 0.04 || share > 0.06 {
		t.Errorf("share = %.4f, want about 0.05", share)
	}
	if diff := cmp.Diff(first, failed()); diff != "" {
		t.Errorf("failed attempts of the second run (-want +got):\n%s", diff)
	}
	// A retry must not fail because its first attempt failed.
	both := 0
	for key := range first {
		if id, ok := strings.CutSuffix(key, "/1"); ok && first[id+"/2"] {
			both++
		}
	}
	if both > len(first)/5 {
		t.Errorf("got %d of %d that failed twice, want at most a fifth", both, len(first))
	}
}

func TestSinkAnswersAfterItsLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &ledger.Sink{
			Ledger:  ledger.New(),
			Latency: func(ledger.Record) time.Duration { return time.Second },
		}
		serve(t, sink, request(t.Context(), "/", "a", 1, numbered(1)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		serve(t, sink, request(ctx, "/", "b", 1, numbered(2)))

		got := sink.Ledger.Records()
		if took := got[0].End.Sub(got[0].Start); took != time.Second || !got[0].Accepted || got[0].Hung {
			t.Errorf("got %+v after %v, want it accepted after 1s", got[0], took)
		}
		if took := got[1].End.Sub(got[1].Start); took != time.Second/2 || !got[1].Accepted || !got[1].Hung {
			t.Errorf("got %+v after %v, want it hung up after 500ms", got[1], took)
		}
	})
}

func TestSinkHangsUntilTheCallerHangsUp(t *testing.T) {
	tests := map[string]struct {
		sink     ledger.Sink
		accepted bool
	}{
		"a hang is accepted": {
			ledger.Sink{Hang: func(ledger.Record) bool { return true }}, true,
		},
		"a Reply that hangs is accepted": {
			ledger.Sink{Reply: func(ledger.Record) (int, http.Header, bool) { return 0, nil, true }}, true,
		},
		"a refusal may hang too": {
			ledger.Sink{Reply: func(ledger.Record) (int, http.Header, bool) { return 500, nil, true }}, false,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			sink := tt.sink
			sink.Ledger = ledger.New()
			arrived := make(chan struct{})
			answered := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(answered)
				close(arrived)
				sink.ServeHTTP(w, r)
			}))
			defer server.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				<-arrived
				cancel()
			}()
			resp, err := server.Client().Do(request(ctx, server.URL, "a", 1, numbered(1)))
			if err == nil {
				_ = resp.Body.Close()
				t.Fatalf("got the answer %d, want none", resp.StatusCode)
			}
			<-answered
			got := sink.Ledger.Records()
			if len(got) != 1 || !got[0].Hung || got[0].Accepted != tt.accepted || got[0].End.IsZero() {
				t.Errorf("records = %+v, want one that hung, accepted %v", got, tt.accepted)
			}
		})
	}
}

// One caller sends one message after the other, as fast as it can: that must not look
// like an overlap.
func TestSinkSeesNoOverlapInOneCallersDeliveries(t *testing.T) {
	sink := &ledger.Sink{Ledger: ledger.New(), FailShare: 0.2}
	server := httptest.NewServer(sink)
	defer server.Close()
	const n = 500
	for seq := 1; seq <= n; seq++ {
		for attempt, status := 1, 0; status != 200; attempt++ {
			resp, err := server.Client().Do(request(t.Context(), server.URL, ledger.Text(seq), attempt, numbered(seq)))
			if err != nil {
				t.Fatal(err)
			}
			status = resp.StatusCode
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	report := sink.Ledger.Check(ledger.Expect{Rooms: map[string]int{"orders:1": n}})
	if !report.OK() || report.Delivered != n || report.Attempts <= n {
		t.Errorf("got %v, want no fault, %d delivered and more attempts\n%s", report.Err(), n, report)
	}
}

// Two callers that share a room do overlap.
func TestSinkSeesTheOverlapOfTwoCallers(t *testing.T) {
	both := make(chan struct{}, 2)
	release := make(chan struct{})
	sink := &ledger.Sink{
		Ledger: ledger.New(),
		Reply: func(ledger.Record) (int, http.Header, bool) {
			both <- struct{}{}
			<-release
			return 200, nil, false
		},
	}
	done := make(chan struct{}, 2)
	for seq := 1; seq <= 2; seq++ {
		go func() {
			serve(t, sink, request(t.Context(), "/", ledger.Text(seq), 1, numbered(seq)))
			done <- struct{}{}
		}()
	}
	<-both
	<-both
	close(release)
	<-done
	<-done
	if report := sink.Ledger.Check(ledger.Expect{}); len(report.Overlaps) != 1 {
		t.Errorf("overlaps = %v, want one", report.Overlaps)
	}
}
