package handlers_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/ledger"
)

// A provider's Retry-After is kept to: never early, and at most a second late but
// for a busy machine. The times are the receiver's own.
func TestRetryAfterIsKeptTo(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		// header is asked for at now, and its end is what it says.
		header func(now time.Time) (header string, end time.Time)
		status int
	}{
		"0.3 seconds, waited for in hand":          {seconds("0.3"), 429},
		"1.2 seconds, waited for in the retry set": {seconds("1.2"), 429},
		"3.4 seconds, waited for in the retry set": {seconds("3.4"), 429},
		"of an answer that is no 429":              {seconds("0.7"), 503},
		"a date": {func(now time.Time) (string, time.Time) {
			end := now.Add(3 * time.Second).Truncate(time.Second)
			return end.UTC().Format(http.TimeFormat), end
		}, 429},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var refused, end time.Time
			sink := &ledger.Sink{Ledger: ledger.New(), Reply: func(rec ledger.Record) (int, http.Header, bool) {
				mu.Lock()
				defer mu.Unlock()
				if rec.Seq > 1 || !refused.IsZero() {
					return 0, nil, false
				}
				refused = time.Now()
				header, at := c.header(refused)
				end = at
				return c.status, http.Header{"Retry-After": {header}}, false
			}}
			g := newGateway(t, testConfig(receiver(t, "b", sink), receiver(t, "other", sink)))
			w := g.work()
			// The closure is of the bridge: another room of it waits as long.
			r := g.Enqueue(toRoom("b", "1", ledger.Text(1)))
			until(t, "it was refused", func() bool { return w.value(t, "outgate_retries_total", "bridge", "b") == 1 })
			second := g.Enqueue(toRoom("b", "2", ledger.Text(1)))
			free := g.Delivered(g.Enqueue(toRoom("other", "1", ledger.Text(1))))
			o := g.Delivered(r)
			g.Delivered(second)

			if want := 1 + c.status/503; o.Attempts != want {
				t.Errorf("%d attempts, want %d", o.Attempts, want)
			}
			// A busy machine alone can take longer than a short delay.
			if closed := end.Sub(refused); closed > 3*time.Second && free.LatencyMS > closed.Milliseconds() {
				t.Errorf("the other bridge waited too, %d ms", free.LatencyMS)
			}
			for _, rec := range sink.Ledger.Records() {
				if rec.Room == "other:1" || rec.Start.Before(refused) || !rec.Accepted {
					continue
				}
				if rec.Start.Before(end) || rec.Start.After(end.Add(slack)) {
					t.Errorf("room %s was sent to %s after the end of the delay", rec.Room, rec.Start.Sub(end))
				}
			}
			if err := sink.Ledger.Check(ledger.Expect{Rooms: map[string]int{"b:1": 1, "b:2": 1, "other:1": 1}}).Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

func seconds(s string) func(time.Time) (string, time.Time) {
	d, err := time.ParseDuration(s + "s")
	if err != nil {
		panic(err)
	}
	return func(now time.Time) (string, time.Time) { return s, now.Add(d) }
}

// A 429 that names no time closes the bridge all the same, for the backoff.
func TestA429WithoutADelayClosesTheBridgeForTheBackoff(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	refused := time.Time{}
	sink := &ledger.Sink{Ledger: ledger.New(), Reply: func(rec ledger.Record) (int, http.Header, bool) {
		mu.Lock()
		defer mu.Unlock()
		if refused.IsZero() {
			refused = time.Now()
			return 429, nil, false
		}
		return 0, nil, false
	}}
	g := newGateway(t, testConfig(receiver(t, "b", sink)))
	w := g.work()
	e := toRoom("b", "1", ledger.Text(1))
	e.BaseBackoffMS = 700
	r := g.Enqueue(e)
	until(t, "it was refused", func() bool { return w.value(t, "outgate_retries_total", "bridge", "b") == 1 })
	other := g.Enqueue(toRoom("b", "2", ledger.Text(1)))
	g.Delivered(r)
	g.Delivered(other)
	backoff := classify.Backoff{Base: 700 * time.Millisecond, Max: 700 * time.Millisecond}.Delay(r.ID, 1, 0)
	for _, rec := range sink.Ledger.Records() {
		if d := rec.Start.Sub(refused); rec.Accepted && d < backoff {
			t.Errorf("room %s was sent to after %s, want %s", rec.Room, d, backoff)
		}
	}
}

// It spends no attempt however often it comes, so the backoff counts the refusals: else
// the provider would be asked at the same pace for ever.
func TestA429WithoutADelayIsWaitedForLongerEachTime(t *testing.T) {
	t.Parallel()
	const refusals = 4
	var asked atomic.Int32
	sink := &ledger.Sink{Ledger: ledger.New(), Reply: func(ledger.Record) (int, http.Header, bool) {
		if asked.Add(1) > refusals {
			return 0, nil, false
		}
		return 429, nil, false
	}}
	g := newGateway(t, testConfig(receiver(t, "b", sink)))
	g.work()
	e := toRoom("b", "1", ledger.Text(1))
	e.BaseBackoffMS, e.MaxBackoffMS = 50, 400
	r := g.Enqueue(e)
	if o := g.Delivered(r); o.Attempts != 1 {
		t.Errorf("%d attempts", o.Attempts)
	}
	backoff := classify.Backoff{Base: 50 * time.Millisecond, Max: 400 * time.Millisecond}
	records := sink.Ledger.Records()
	if len(records) != refusals+1 {
		t.Fatalf("%d requests", len(records))
	}
	for n := 1; n < len(records); n++ {
		want := backoff.Delay(r.ID, n, 0)
		if got := records[n].Start.Sub(records[n-1].Start); got < want {
			t.Errorf("refused %d times it was sent again after %s, want %s", n, got, want)
		}
	}
}
