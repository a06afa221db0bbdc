package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/cmd/outgate/internal/bench"
	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/daemon"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// BenchmarkAtScale is what docs/benchmarks.md tells of a large gateway that is
// watched: how long a scrape takes, what watching costs where nothing else happens, and
// what it costs the deliveries.
//
//	go test -run '^$' -bench AtScale/scrape -benchtime 30x ./cmd/outgate/internal/daemon
//	go test -run '^$' -bench AtScale/cost -benchtime 5x ./cmd/outgate/internal/daemon
//	go test -run '^$' -bench AtScale/deliveries -benchtime 9x ./cmd/outgate/internal/daemon
func BenchmarkAtScale(b *testing.B) {
	s := newScaled(b)
	s.fill()
	b.Run("scrape", s.benchmarkScrape)
	b.Run("cost", s.benchmarkCost)
	b.Run("deliveries", s.benchmarkDeliveries)
}

// scaled is an outgate serve of 256 partitions with two bridges: one of them was told
// by its provider to wait for an hour, the other delivers.
type scaled struct {
	*gatewaytest.Gateway
	url       string
	delivered lineCount
}

// lineCount counts the lines that are written to it: the sandbox writes one a
// delivery.
type lineCount struct{ atomic.Int64 }

func (n *lineCount) Write(p []byte) (int, error) {
	n.Add(int64(bytes.Count(p, []byte("\n"))))
	return len(p), nil
}

func newScaled(tb testing.TB) *scaled {
	tb.Helper()
	server, addr, file := redistest.Start(tb), outgatetest.FreePort(tb), tb.TempDir()+"/outgate.yaml"
	s := &scaled{url: "http://" + addr}
	s.Gateway = gatewaytest.On(tb, server.Client(), handlers.Config{Scheme: partition.Scheme{Count: 256}})
	s.Patience = 3 * time.Minute
	outgatetest.WriteFile(tb, file, fmt.Sprintf("redis: {url: %q}\nhttp: {addr: %q}\nlog: {level: error}\npartitions: {count: %d}\n"+
		"bridges: [{id: delivers, channel: sandbox}, {id: waits, channel: sandbox}]\n", server.URL(), addr, s.Config.Scheme.Count))
	cfg, err := config.Load(file, channels.Known, func(string) string { return "" })
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Serve(ctx, cfg, daemon.Options{Out: &s.delivered, Log: io.Discard, Version: "test"})
	}()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Errorf("the daemon ended with %v", err)
		}
	})
	s.Until("the worker reports on all partitions", func() bool {
		response, err := http.Get(s.url + "/metrics")
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		page, err := io.ReadAll(response.Body)
		return err == nil && bytes.Count(page, []byte("\noutgate_queue_capacity{")) == s.Config.Scheme.Count
	})
	return s
}

// waiting counts the heads that wait for their next attempt.
func (s *scaled) waiting() (n int64) {
	s.T.Helper()
	stats, err := partition.Inspect(context.Background(), s.Redis, s.Config.Scheme)
	if err != nil {
		s.T.Fatal(err)
	}
	return partition.Total(stats).Retry
}

// fill lets 100,000 rooms wait, and sets 100,000 dead letters aside.
func (s *scaled) fill() {
	s.T.Helper()
	const rooms, letters = 100_000, 100_000
	s.enqueue(gatewaytest.Scripted("waits", "first", "x", `{"throttle_ms":3600000}`))
	s.Until("the bridge waits", func() bool { return s.waiting() == 1 })
	var batch []tasks.Envelope
	for i := range rooms {
		batch = append(batch, gatewaytest.Text("waits", fmt.Sprintf("room-%d", i), "hello"))
	}
	for part := range slices.Chunk(batch, 5000) {
		s.enqueue(part...)
	}
	s.Until("all rooms wait", func() bool { return s.waiting() == 1+rooms })
	envelope, _ := json.Marshal(batch[0])
	pipe, now := s.Redis.Pipeline(), time.Now()
	for i := range letters {
		at := now.Add(-time.Duration(i) * time.Millisecond)
		index := i % s.Config.Scheme.Count
		d := ops.DeadLetter{
			ID: fmt.Sprintf("%03d-%016x", index, at.UnixMicro()), BridgeID: "waits", ExternalRoomID: "a", Operation: tasks.Send,
			Category: classify.Terminal, Reason: classify.ReasonRejected, DiedAtMS: at.UnixMilli(), Line: "waits:a", Envelope: envelope,
		}
		record, _ := json.Marshal(d)
		k := s.Keys(index)
		pipe.HSet(context.Background(), k.DeadLetter(d.ID), "record", record)
		pipe.ZAdd(context.Background(), k.Dead(), redis.Z{Score: float64(d.DiedAtMS), Member: d.ID})
		if pipe.Len() >= 10_000 || i == letters-1 {
			if _, err := pipe.Exec(context.Background()); err != nil {
				s.T.Fatal(err)
			}
		}
	}
}

func (s *scaled) enqueue(envelopes ...tasks.Envelope) {
	if _, err := s.Client.EnqueueBatch(context.Background(), envelopes); err != nil {
		s.T.Error(err)
	}
}

// ask reads a page to its end, as a browser and a Prometheus do: compressed.
func (s *scaled) ask(ctx context.Context, path string) (size int64, took time.Duration) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.T.Error(err)
		return 0, 0
	}
	request.Header.Set("Accept-Encoding", "gzip")
	request.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3")
	start := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		if ctx.Err() == nil {
			s.T.Error(err)
		}
		return 0, 0
	}
	defer func() { _ = response.Body.Close() }()
	size, err = io.Copy(io.Discard, response.Body)
	if ctx.Err() == nil && (err != nil || response.StatusCode != http.StatusOK) {
		s.T.Errorf("%s: %s, %v", path, response.Status, err)
	}
	return size, time.Since(start)
}

// benchmarkScrape scrapes twice a second: what is kept for a second is not read
// anew by each scrape, nor by none.
func (s *scaled) benchmarkScrape(b *testing.B) {
	var all []time.Duration
	var size int64
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for b.Loop() {
		var took time.Duration
		size, took = s.ask(b.Context(), "/metrics")
		all = append(all, took)
		<-tick.C
	}
	slices.Sort(all)
	fast, _ := slices.BinarySearch(all, 100*time.Millisecond)
	b.ReportMetric(milliseconds(all[len(all)/2]), "median-ms")
	b.ReportMetric(milliseconds(all[len(all)-1]), "worst-ms")
	b.ReportMetric(float64(len(all)-fast), "above-100ms")
	b.ReportMetric(float64(size), "bytes")
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// benchmarkCost is the processor time that watching takes a second: of a Prometheus that
// scrapes each second, and of one open page; each against the same gateway just before,
// when nobody watched.
func (s *scaled) benchmarkCost(b *testing.B) {
	figures := make(map[string][]float64)
	add := func(kind string, spent, before spending) {
		figures[kind+"-process-ms/s"] = append(figures[kind+"-process-ms/s"], 1000*(spent.process-before.process))
		figures[kind+"-redis-ms/s"] = append(figures[kind+"-redis-ms/s"], 1000*(spent.redis-before.redis))
	}
	for b.Loop() {
		for kind, w := range map[string]watcher{"prometheus": scraper, "page": operator} {
			rest := s.second()
			add("rest", rest, spending{})
			stop := s.watch(w)
			add(kind, s.second(), rest)
			stop()
		}
	}
	for name, values := range figures {
		b.ReportMetric(bench.Median(values), name)
	}
}

// second is what a second costs, by some of them.
func (s *scaled) second() spending {
	const seconds = 4
	before := s.cpu()
	<-time.After(seconds * time.Second)
	after := s.cpu()
	return spending{(after.process - before.process) / seconds, (after.redis - before.redis) / seconds}
}

// benchmarkDeliveries delivers as much with a scrape each second and one open page, and
// without: each pair in turn, now the one first and now the other.
func (s *scaled) benchmarkDeliveries(b *testing.B) {
	var rates, alone []float64
	s.deliver() // connections, scripts
	for n := 0; b.Loop(); n++ {
		var watched, unwatched float64
		if n%2 == 0 {
			watched, unwatched = s.deliverWatched(), s.deliver()
		} else {
			unwatched, watched = s.deliver(), s.deliverWatched()
		}
		rates = append(rates, unwatched/watched)
		alone = append(alone, scaleMessages/unwatched)
	}
	b.ReportMetric(bench.Median(rates), "watched/unwatched")
	b.ReportMetric(slices.Min(rates), "least")
	b.ReportMetric(slices.Max(rates), "most")
	b.ReportMetric(bench.Median(alone), "unwatched/s")
}

const scaleMessages = 20_000

// spending is processor time in seconds.
type spending struct{ process, redis float64 }

func (s *scaled) cpu() (all spending) {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		s.T.Error(err)
	}
	all.process = time.Duration(own.Utime.Nano() + own.Stime.Nano()).Seconds()
	for line := range strings.Lines(s.Redis.Info(context.Background(), "cpu").Val()) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				s.T.Error(err)
			}
			all.redis += n
		}
	}
	return all
}

// deliver admits messages to a thousand rooms, and is how many seconds it takes until
// all of them are delivered.
func (s *scaled) deliver() float64 {
	const rooms, producers, batch = 1000, 4, 250
	runtime.GC()
	start, before := time.Now(), s.delivered.Load()
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			var envelopes []tasks.Envelope
			for i := range scaleMessages / producers {
				envelopes = append(envelopes, gatewaytest.Text("delivers", fmt.Sprintf("room-%d", p*rooms/producers+i%(rooms/producers)), "hello"))
				if len(envelopes) == batch {
					s.enqueue(envelopes...)
					envelopes = envelopes[:0]
				}
			}
		})
	}
	wg.Wait()
	s.Until("all is delivered", func() bool { return s.delivered.Load() == before+scaleMessages })
	return time.Since(start).Seconds()
}

// deliverWatched delivers while a Prometheus scrapes each second and a page is open.
func (s *scaled) deliverWatched() float64 {
	defer s.watch(scraper, operator)()
	return s.deliver()
}

// watcher asks for some pages now and then.
type watcher struct {
	every time.Duration
	paths []string
}

const apiRoot = "/api/v1/"

var (
	scraper = watcher{time.Second, []string{"/metrics"}}
	// operator is page.js.
	operator = watcher{2 * time.Second, []string{
		apiRoot + "overview", apiRoot + "partitions", apiRoot + "bridges", apiRoot + "rooms?limit=15",
		apiRoot + "dead-letters/groups", apiRoot + "jobs",
	}}
)

// watch lets watchers watch until stop.
func (s *scaled) watch(watchers ...watcher) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, w := range watchers {
		wg.Go(func() {
			tick := time.NewTicker(w.every)
			defer tick.Stop()
			for ctx.Err() == nil {
				for _, path := range w.paths {
					s.ask(ctx, path)
				}
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}
