package daemon

import "github.com/prometheus/client_golang/prometheus"

// reloads says how reading the bridges anew went.
type reloads struct {
	total *prometheus.CounterVec
	last  prometheus.Gauge
}

func newReloads(r prometheus.Registerer) reloads {
	m := reloads{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "outgate", Name: "config_reloads_total", Help: "Times the bridges were read anew.",
		}, []string{"result"}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "outgate", Name: "config_last_read_timestamp_seconds", Help: "When the bridges in use were read.",
		}),
	}
	r.MustRegister(m.total, m.last)
	m.total.WithLabelValues("ok")
	m.total.WithLabelValues("failed")
	m.last.SetToCurrentTime()
	return m
}

func (m reloads) done(err error) {
	if err != nil {
		m.total.WithLabelValues("failed").Inc()
		return
	}
	m.total.WithLabelValues("ok").Inc()
	m.last.SetToCurrentTime()
}
