package console

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/refresh"
	"github.com/outgate/outgate/partition/autoscale"
)

// needed reports how many workers the load needs, where this worker is the one that
// reports on the gateway as a whole.
type needed struct {
	worker *handlers.Worker
	assess *refresh.Ahead[autoscale.Need]

	workers, slots *prometheus.Desc
}

// needEvery is how often it is assessed: it takes a look at heads in all partitions,
// and scalers ask four times a minute.
const needEvery = 5 * time.Second

func newNeeded(assess func(context.Context) (autoscale.Need, error), worker *handlers.Worker) *needed {
	return &needed{
		worker: worker, assess: &refresh.Ahead[autoscale.Need]{Read: assess, Every: needEvery},
		workers: prometheus.NewDesc("outgate_required_workers",
			"How many workers the load can use now; not rounded.", nil, nil),
		slots: prometheus.NewDesc("outgate_required_slots",
			"How many envelopes should be in delivery at once.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (n *needed) Describe(ch chan<- *prometheus.Desc) {
	ch <- n.workers
	ch <- n.slots
}

// Collect implements prometheus.Collector. Where Redis does not answer, there is no
// figure: a scaler must not take it for a zero.
func (n *needed) Collect(ch chan<- prometheus.Metric) {
	if !n.worker.Sweeps(0) {
		return
	}
	need, err := n.assess.Get()
	if err != nil {
		return
	}
	ch <- prometheus.MustNewConstMetric(n.workers, prometheus.GaugeValue, need.Exact)
	ch <- prometheus.MustNewConstMetric(n.slots, prometheus.GaugeValue, need.Slots)
}
