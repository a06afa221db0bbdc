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
// read from Redis is in globals.go.
type metrics struct {
	deliveries, attempts, retries, ambiguous, deadLetters, limitWaits *prometheus.CounterVec
	attemptSeconds, deliverySeconds                                   *prometheus.HistogramVec
	limitWait                                                         prometheus.Observer
	queueWait                                                         []prometheus.Observer
	bridgeUp                                                          *prometheus.GaugeVec
}

var (
	operations = []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia}
	priorities = []tasks.Priority{tasks.PriorityCritical, tasks.PriorityHigh, tasks.PriorityNormal, tasks.PriorityLow}
	categories = []classify.Category{classify.Retryable, classify.Terminal, classify.Fatal}
)

// Seconds from a millisecond to hours: a queue may be long, a retry far.
var seconds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200}

func newMetrics(r prometheus.Registerer, scheme partition.Scheme, bridges []*Bridge) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "outgate", Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "outgate", Name: name, Help: help, Buckets: seconds,
		}, labels)
		r.MustRegister(h)
		return h
	}
	m := &metrics{
		deliveries:      counter("deliveries_total", "Envelopes settled by this worker.", "bridge", "operation", "disposition", "category"),
		attempts:        counter("attempts_total", "Requests sent to providers; the category is empty for success.", "bridge", "operation", "category"),
		retries:         counter("retries_total", "Attempts that will be made again.", "bridge", "reason"),
		ambiguous:       counter("ambiguous_total", "Attempts that the provider may have accepted without our knowing.", "bridge"),
		deadLetters:     counter("dead_letters_total", "Envelopes set aside as dead letters.", "partition", "category"),
		limitWaits:      counter("ratelimit_waits_total", "Sends that had to wait for a limit.", "bridge"),
		attemptSeconds:  histogram("attempt_seconds", "Time of one request to a provider.", "bridge"),
		deliverySeconds: histogram("delivery_seconds", "Time from admission to the outcome.", "bridge"),
		limitWait:       histogram("ratelimit_wait_seconds", "Time a send waited in hand for its slot.").WithLabelValues(),
		bridgeUp:        prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "outgate", Name: "bridge_up", Help: "0 where a bridge is suspended."}, []string{"bridge"}),
	}
	r.MustRegister(m.bridgeUp)
	waits := histogram("queue_wait_seconds", "Time from admission to the first attempt.", "partition")
	for i := range scheme.Count {
		m.queueWait = append(m.queueWait, waits.WithLabelValues(strconv.Itoa(i)))
		for _, c := range categories {
			m.deadLetters.WithLabelValues(strconv.Itoa(i), string(c))
		}
	}
	for _, b := range bridges {
		m.zero(b.ID)
	}
	return m
}

// zero begins the series of a bridge, so that the first failure is an increase.
func (m *metrics) zero(bridge string) {
	m.bridgeUp.WithLabelValues(bridge).Set(1)
	m.ambiguous.WithLabelValues(bridge)
	m.limitWaits.WithLabelValues(bridge)
	m.attemptSeconds.WithLabelValues(bridge)
	m.deliverySeconds.WithLabelValues(bridge)
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

func (m *metrics) attempt(bridge string, op tasks.Operation, v classify.Verdict, took time.Duration) {
	m.attempts.WithLabelValues(bridge, string(op), string(v.Category)).Inc()
	m.attemptSeconds.WithLabelValues(bridge).Observe(took.Seconds())
}

func (m *metrics) settled(bridge string, op tasks.Operation, disposition, category string, took time.Duration) {
	m.deliveries.WithLabelValues(bridge, string(op), disposition, category).Inc()
	m.deliverySeconds.WithLabelValues(bridge).Observe(max(0, took.Seconds()))
}

func (m *metrics) deadLetter(index int, c classify.Category) {
	m.deadLetters.WithLabelValues(strconv.Itoa(index), string(c)).Inc()
}
