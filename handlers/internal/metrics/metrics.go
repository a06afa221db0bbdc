// Package metrics has the metrics that one worker counts itself; they add up over workers.
// Package collector has the metrics that are read from Redis. docs/telemetry.md describes
// both.
package metrics

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// Metrics are the metrics of one worker.
type Metrics struct {
	Retries, Ambiguous, LimitWaits, Slowed *prometheus.CounterVec
	Fenced                                 *prometheus.CounterVec
	LimitWait                              prometheus.Observer
	// QueueWait has one histogram for each partition.
	QueueWait []prometheus.Observer
	Slots     *Slots
	Ahead     *Ahead

	deliveries, attempts, failures, deadLetters, slow, mended *prometheus.CounterVec
	redisErrors                                               prometheus.Counter
	attemptSeconds, deliverySeconds, tries                    *prometheus.HistogramVec
	roundTrip                                                 prometheus.Observer
	bridgeUp                                                  *prometheus.GaugeVec
	all                                                       []prometheus.Collector
}

var (
	categories = []classify.Category{classify.Retryable, classify.Terminal, classify.Fatal}
	mendings   = []string{"recovered", "ghost", "head", "line"}
	// retried are the frequent reasons of retries.
	retried = []classify.Reason{
		classify.ReasonRateLimited, classify.ReasonTimeout, classify.ReasonConnectionFailed,
		classify.ReasonConnectionLost, classify.ReasonUnavailable,
	}
)

var (
	// From a millisecond to hours: queues may be long, and retries late.
	seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200}
	// A call to Redis takes a fraction of a millisecond, or seconds if Redis is in trouble.
	callSeconds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
	triesUpTo   = []float64{1, 2, 3, 5, 8, 13, 21}
)

// Native makes a histogram native beside its classic buckets: at most a hundred buckets,
// each a tenth wider than the one before it.
func Native(o prometheus.HistogramOpts) prometheus.HistogramOpts {
	o.NativeHistogramBucketFactor = 1.1
	o.NativeHistogramMaxBucketNumber = 100
	o.NativeHistogramMinResetDuration = time.Hour
	return o
}

// made makes metrics and keeps them for the registry.
type made struct{ all []prometheus.Collector }

func (r *made) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "outgate", Name: name, Help: help}, labels)
	r.all = append(r.all, c)
	return c
}

func (r *made) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(Native(prometheus.HistogramOpts{
		Namespace: "outgate", Name: name, Help: help, Buckets: buckets,
	}), labels)
	r.all = append(r.all, h)
	return h
}

// Config says what to count.
type Config struct {
	// Partitions has the number of free handlers of each partition, out of Concurrency.
	Partitions  []*atomic.Int64
	Concurrency int
	// Bridges are the bridges whose series begin at zero.
	Bridges []string
}

// New makes the metrics. They are one prometheus.Collector.
func New(cfg Config) *Metrics {
	r := &made{}
	m := &Metrics{
		deliveries:      r.counter("deliveries_total", "Envelopes settled by this worker.", "bridge", "operation", "disposition", "category"),
		attempts:        r.counter("attempts_total", "Requests sent to providers; the category is empty for success.", "bridge", "operation", "category"),
		Retries:         r.counter("retries_total", "Failed attempts that will be repeated.", "bridge", "reason"),
		failures:        r.counter("failures_total", "Envelopes settled as errors.", "bridge", "reason"),
		Ambiguous:       r.counter("ambiguous_total", "Attempts that the provider may have accepted although no reply came.", "bridge"),
		deadLetters:     r.counter("dead_letters_total", "Envelopes set aside as dead letters.", "partition", "category"),
		LimitWaits:      r.counter("ratelimit_waits_total", "Sends that had to wait for a limit.", "bridge"),
		Slowed:          r.counter("ratelimit_slowed_total", "Refusals after which a smaller share of the limits is used.", "bridge"),
		slow:            r.counter("slow_attempts_total", "Requests that took more than half of their timeout.", "bridge"),
		Fenced:          r.counter("fenced_total", "Settlements refused because another worker had taken the envelope over.", "partition"),
		mended:          r.counter("mended_total", "Faults that this worker's sweeper mended.", "kind"),
		attemptSeconds:  r.histogram("attempt_seconds", "Time of one request to a provider.", seconds, "bridge"),
		deliverySeconds: r.histogram("delivery_seconds", "Time from admission to the outcome.", seconds, "bridge"),
		tries:           r.histogram("delivery_attempts", "Attempts that a settled envelope took.", triesUpTo, "bridge"),
		LimitWait:       r.histogram("ratelimit_wait_seconds", "Time that a send waited in a handler for its slot.", seconds).WithLabelValues(),
		roundTrip:       r.histogram("redis_call_seconds", "Time of one call to Redis on behalf of a delivery.", callSeconds).WithLabelValues(),
		redisErrors:     r.counter("redis_errors_total", "Failed calls to Redis on behalf of deliveries; they were repeated.").WithLabelValues(),
		bridgeUp:        prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "outgate", Name: "bridge_up", Help: "0 while a bridge is suspended."}, []string{"bridge"}),
		Slots:           newSlots(cfg.Partitions, cfg.Concurrency),
		Ahead:           newAhead(),
	}
	waits := r.histogram("queue_wait_seconds", "Time from admission to the first attempt.", seconds, "partition")
	for i := range cfg.Partitions {
		m.QueueWait = append(m.QueueWait, waits.WithLabelValues(strconv.Itoa(i)))
		m.Fenced.WithLabelValues(strconv.Itoa(i))
		for _, c := range categories {
			m.deadLetters.WithLabelValues(strconv.Itoa(i), string(c))
		}
	}
	for _, kind := range mendings {
		m.mended.WithLabelValues(kind)
	}
	for _, b := range cfg.Bridges {
		m.Zero(b)
	}
	m.all = append(r.all, m.bridgeUp, m.Slots, m.Ahead)
	return m
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.all {
		c.Collect(ch)
	}
}

// Zero begins the series of a bridge, so that the first failure is an increase.
func (m *Metrics) Zero(bridge string) {
	m.bridgeUp.WithLabelValues(bridge).Set(1)
	m.Ambiguous.WithLabelValues(bridge)
	m.LimitWaits.WithLabelValues(bridge)
	m.Slowed.WithLabelValues(bridge)
	m.slow.WithLabelValues(bridge)
	m.attemptSeconds.WithLabelValues(bridge)
	m.deliverySeconds.WithLabelValues(bridge)
	m.tries.WithLabelValues(bridge)
	m.Ahead.of(bridge)
	for _, r := range retried {
		m.Retries.WithLabelValues(bridge, string(r))
	}
	m.deliveries.WithLabelValues(bridge, string(tasks.Edit), "superseded", "")
	for _, op := range tasks.Operations {
		m.deliveries.WithLabelValues(bridge, string(op), "delivered", "")
		m.attempts.WithLabelValues(bridge, string(op), "")
		for _, c := range categories {
			m.deliveries.WithLabelValues(bridge, string(op), "terminal", string(c))
			m.attempts.WithLabelValues(bridge, string(op), string(c))
		}
	}
}

// BridgeUp sets whether a bridge delivers.
func (m *Metrics) BridgeUp(bridge string, up bool) {
	value := 0.0
	if up {
		value = 1
	}
	m.bridgeUp.WithLabelValues(bridge).Set(value)
}

// Attempt is one request to a provider.
type Attempt struct {
	Bridge    string
	Operation tasks.Operation
	Verdict   classify.Verdict
	// Took is the time of the request, and Timeout is how long the provider had to answer.
	Took, Timeout time.Duration
	// Span is the span of the request; it may be nil.
	Span trace.Span
}

// Attempted counts a request to a provider.
func (m *Metrics) Attempted(a Attempt) {
	m.attempts.WithLabelValues(a.Bridge, string(a.Operation), string(a.Verdict.Category)).Inc()
	observe(a.Span, m.attemptSeconds.WithLabelValues(a.Bridge), a.Took)
	if a.Took > a.Timeout/2 {
		m.slow.WithLabelValues(a.Bridge).Inc()
	}
}

// Settled counts a settled envelope by its outcome. span is the span of its last request; it
// may be nil.
func (m *Metrics) Settled(bridge string, op tasks.Operation, admitted time.Time, o tasks.Outcome, span trace.Span) {
	disposition, category, tries := "delivered", "", 0
	switch {
	case o.Superseded != nil:
		disposition = "superseded"
	case o.Error != nil:
		disposition, category, tries = string(o.Error.Disposition), string(o.Error.Category), o.Error.Attempt
		m.failures.WithLabelValues(bridge, string(o.Error.Reason)).Inc()
	case o.Success != nil:
		tries = o.Success.Attempts
	}
	m.deliveries.WithLabelValues(bridge, string(op), disposition, category).Inc()
	observe(span, m.deliverySeconds.WithLabelValues(bridge), max(0, time.Since(admitted)))
	if tries > 0 { // an envelope may end without an attempt
		m.tries.WithLabelValues(bridge).Observe(float64(tries))
	}
}

// DeadLetter counts an envelope that became a dead letter.
func (m *Metrics) DeadLetter(index int, c classify.Category) {
	m.deadLetters.WithLabelValues(strconv.Itoa(index), string(c)).Inc()
}

// Swept counts what one pass of a sweeper mended.
func (m *Metrics) Swept(s partition.Swept) {
	for i, n := range [...]int64{s.Recovered, s.Ghosts, s.Heads, s.Lines} {
		if n > 0 {
			m.mended.WithLabelValues(mendings[i]).Add(float64(n))
		}
	}
}

// RedisCalled notes how long a call to Redis took, or that it failed.
func (m *Metrics) RedisCalled(start time.Time, err error) {
	if err != nil {
		m.redisErrors.Inc()
		return
	}
	m.roundTrip.Observe(time.Since(start).Seconds())
}

// observe adds a time to a histogram, with the trace as its exemplar if it is sampled.
func observe(span trace.Span, o prometheus.Observer, d time.Duration) {
	if span != nil && span.SpanContext().IsSampled() {
		if e, ok := o.(prometheus.ExemplarObserver); ok {
			e.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": span.SpanContext().TraceID().String()})
			return
		}
	}
	o.Observe(d.Seconds())
}
