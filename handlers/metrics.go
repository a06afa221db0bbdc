package handlers

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// metrics are what this process counts itself: they add up over workers. What is
// read from Redis is in globals.go, what both mean in docs/telemetry.md.
type metrics struct {
	deliveries, attempts, retries, failures    *prometheus.CounterVec
	ambiguous, deadLetters, limitWaits, slowed *prometheus.CounterVec
	slow, fenced, mended                       *prometheus.CounterVec
	redisErrors                                prometheus.Counter
	attemptSeconds, deliverySeconds, tries     *prometheus.HistogramVec
	limitWait, roundTrip                       prometheus.Observer
	queueWait                                  []prometheus.Observer
	bridgeUp                                   *prometheus.GaugeVec
	slots                                      *slotGauge
	ahead                                      *aheadGauge
}

var (
	operations = []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia}
	priorities = []tasks.Priority{tasks.PriorityCritical, tasks.PriorityHigh, tasks.PriorityNormal, tasks.PriorityLow}
	categories = []classify.Category{classify.Retryable, classify.Terminal, classify.Fatal}
	mendings   = []string{"recovered", "ghost", "head", "line"}
	// retried are the reasons that what is made again fails for, but for rare ones.
	retried = []classify.Reason{
		classify.ReasonRateLimited, classify.ReasonTimeout, classify.ReasonConnectionFailed,
		classify.ReasonConnectionLost, classify.ReasonUnavailable,
	}
)

var (
	// Seconds from a millisecond to hours: a queue may be long, a retry far.
	seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200}
	// A call to Redis takes a fraction of a millisecond, and seconds where it is in
	// trouble.
	callSeconds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}
	triesUpTo   = []float64{1, 2, 3, 5, 8, 13, 21}
)

// Native says how a histogram is kept as a native one beside its classic buckets:
// each bucket a tenth wider than the one before it, no more than a hundred of them.
func Native(o prometheus.HistogramOpts) prometheus.HistogramOpts {
	o.NativeHistogramBucketFactor = 1.1
	o.NativeHistogramMaxBucketNumber = 100
	o.NativeHistogramMinResetDuration = time.Hour
	return o
}

// registry makes metrics and registers them.
type registry struct{ prometheus.Registerer }

func (r registry) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "outgate", Name: name, Help: help}, labels)
	r.MustRegister(c)
	return c
}

func (r registry) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(Native(prometheus.HistogramOpts{
		Namespace: "outgate", Name: name, Help: help, Buckets: buckets,
	}), labels)
	r.MustRegister(h)
	return h
}

func newMetrics(w *Worker) *metrics {
	r := registry{w.cfg.Registry}
	m := &metrics{
		deliveries:      r.counter("deliveries_total", "Envelopes settled by this worker.", "bridge", "operation", "disposition", "category"),
		attempts:        r.counter("attempts_total", "Requests sent to providers; the category is empty for success.", "bridge", "operation", "category"),
		retries:         r.counter("retries_total", "Attempts that will be made again.", "bridge", "reason"),
		failures:        r.counter("failures_total", "Envelopes settled as errors.", "bridge", "reason"),
		ambiguous:       r.counter("ambiguous_total", "Attempts that the provider may have accepted without our knowing.", "bridge"),
		deadLetters:     r.counter("dead_letters_total", "Envelopes set aside as dead letters.", "partition", "category"),
		limitWaits:      r.counter("ratelimit_waits_total", "Sends that had to wait for a limit.", "bridge"),
		slowed:          r.counter("ratelimit_slowed_total", "Refusals after which less of the limits is used.", "bridge"),
		slow:            r.counter("slow_attempts_total", "Requests that took more than half of their timeout.", "bridge"),
		fenced:          r.counter("fenced_total", "Settlements refused because another worker had taken the envelope over.", "partition"),
		mended:          r.counter("mended_total", "What this worker's sweeper put right.", "kind"),
		attemptSeconds:  r.histogram("attempt_seconds", "Time of one request to a provider.", seconds, "bridge"),
		deliverySeconds: r.histogram("delivery_seconds", "Time from admission to the outcome.", seconds, "bridge"),
		tries:           r.histogram("delivery_attempts", "Attempts that a settled envelope took.", triesUpTo, "bridge"),
		limitWait:       r.histogram("ratelimit_wait_seconds", "Time a send waited in hand for its slot.", seconds).WithLabelValues(),
		roundTrip:       r.histogram("redis_call_seconds", "Time of one call to Redis on behalf of a delivery.", callSeconds).WithLabelValues(),
		redisErrors:     r.counter("redis_errors_total", "Calls to Redis on behalf of deliveries that failed and were made again.").WithLabelValues(),
		bridgeUp:        prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "outgate", Name: "bridge_up", Help: "0 where a bridge is suspended."}, []string{"bridge"}),
		slots:           newSlotGauge(w.door.slots, w.cfg.Concurrency),
		ahead:           newAheadGauge(),
	}
	r.MustRegister(m.bridgeUp, m.slots, m.ahead)
	waits := r.histogram("queue_wait_seconds", "Time from admission to the first attempt.", seconds, "partition")
	for i := range w.cfg.Scheme.Count {
		m.queueWait = append(m.queueWait, waits.WithLabelValues(strconv.Itoa(i)))
		m.fenced.WithLabelValues(strconv.Itoa(i))
		for _, c := range categories {
			m.deadLetters.WithLabelValues(strconv.Itoa(i), string(c))
		}
	}
	for _, kind := range mendings {
		m.mended.WithLabelValues(kind)
	}
	for _, b := range w.cfg.Bridges {
		m.zero(b.ID)
	}
	return m
}

// zero begins the series of a bridge, so that the first failure is an increase.
func (m *metrics) zero(bridge string) {
	m.bridgeUp.WithLabelValues(bridge).Set(1)
	m.ambiguous.WithLabelValues(bridge)
	m.limitWaits.WithLabelValues(bridge)
	m.slowed.WithLabelValues(bridge)
	m.slow.WithLabelValues(bridge)
	m.attemptSeconds.WithLabelValues(bridge)
	m.deliverySeconds.WithLabelValues(bridge)
	m.tries.WithLabelValues(bridge)
	m.ahead.of(bridge)
	for _, r := range retried {
		m.retries.WithLabelValues(bridge, string(r))
	}
	m.deliveries.WithLabelValues(bridge, string(tasks.Edit), "superseded", "")
	for _, op := range operations {
		m.deliveries.WithLabelValues(bridge, string(op), "delivered", "")
		m.attempts.WithLabelValues(bridge, string(op), "")
		for _, c := range categories {
			m.deliveries.WithLabelValues(bridge, string(op), "terminal", string(c))
			m.attempts.WithLabelValues(bridge, string(op), string(c))
		}
	}
}

// attempt counts a request to a provider, which had timeout to answer.
func (m *metrics) attempt(d *delivery, v classify.Verdict, took time.Duration) {
	bridge := d.bridge.ID
	m.attempts.WithLabelValues(bridge, string(d.operation), string(v.Category)).Inc()
	d.spans.observe(m.attemptSeconds.WithLabelValues(bridge), took.Seconds())
	if took > d.policy.Timeout/2 {
		m.slow.WithLabelValues(bridge).Inc()
	}
}

// settled counts an envelope that ended, as what its outcome says.
func (m *metrics) settled(d *delivery, o tasks.Outcome) {
	bridge, disposition, category, tries := d.bridgeID(), "delivered", "", 0
	switch {
	case o.Superseded != nil:
		disposition = "superseded"
	case o.Error != nil:
		disposition, category, tries = string(o.Error.Disposition), string(o.Error.Category), o.Error.Attempt
		m.failures.WithLabelValues(bridge, string(o.Error.Reason)).Inc()
	case o.Success != nil:
		tries = o.Success.Attempts
	}
	m.deliveries.WithLabelValues(bridge, string(d.operation), disposition, category).Inc()
	d.spans.observe(m.deliverySeconds.WithLabelValues(bridge), max(0, time.Since(d.admitted).Seconds()))
	if tries > 0 { // one that never got so far took none
		m.tries.WithLabelValues(bridge).Observe(float64(tries))
	}
}

func (m *metrics) deadLetter(index int, c classify.Category) {
	m.deadLetters.WithLabelValues(strconv.Itoa(index), string(c)).Inc()
}

func (m *metrics) sweep(s partition.Swept) {
	for i, n := range [...]int64{s.Recovered, s.Ghosts, s.Heads, s.Lines} {
		if n > 0 {
			m.mended.WithLabelValues(mendings[i]).Add(float64(n))
		}
	}
}

// called notes how long a call to Redis took, or that it failed.
func (m *metrics) called(start time.Time, err error) {
	if err != nil {
		m.redisErrors.Inc()
		return
	}
	m.roundTrip.Observe(time.Since(start).Seconds())
}
