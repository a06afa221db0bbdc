package collector

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// series are metrics to be sent to a registry. They are made to be sent often, and to
// be made anew often: their labels are made once.
type series struct {
	labels labels
	all    []figure
}

func (s *series) gauge(d *prometheus.Desc, v float64, values ...string) {
	s.all = append(s.all, figure{desc: d, labels: s.labels.of(d, values), value: v})
}

func (s *series) counter(d *prometheus.Desc, v float64, values ...string) {
	s.all = append(s.all, figure{desc: d, labels: s.labels.of(d, values), value: v, counts: true})
}

func (s *series) send(ch chan<- prometheus.Metric) {
	for i := range s.all {
		ch <- &s.all[i]
	}
}

// figure is one metric.
type figure struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
	value  float64
	counts bool
}

// Desc implements prometheus.Metric.
func (f *figure) Desc() *prometheus.Desc { return f.desc }

// Write implements prometheus.Metric.
func (f *figure) Write(m *dto.Metric) error {
	m.Label = f.labels
	if f.counts {
		m.Counter = &dto.Counter{Value: &f.value}
	} else {
		m.Gauge = &dto.Gauge{Value: &f.value}
	}
	return nil
}

// labels are the labels of metrics, by what they are of. No metric has more than
// three.
type labels map[labelKey][]*dto.LabelPair

type labelKey struct {
	desc   *prometheus.Desc
	values [3]string
}

func (l labels) of(d *prometheus.Desc, values []string) []*dto.LabelPair {
	key := labelKey{desc: d}
	copy(key.values[:], values)
	pairs, ok := l[key]
	if !ok {
		pairs = prometheus.MakeLabelPairs(d, values)
		l[key] = pairs
	}
	return pairs
}
