package console_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/outgate/outgate/handlers/console"
	"github.com/outgate/outgate/partition/autoscale"
)

// A scaler that is told 0 where nobody knows would take the workers away.
func TestWhereNobodyKnowsHowManyWorkersAreNeededThereIsNoFigure(t *testing.T) {
	worker := newWorker(t)
	var away atomic.Bool
	registry := prometheus.NewRegistry()
	registry.MustRegister(console.NewNeeded(func(context.Context) (autoscale.Need, error) {
		if away.Load() {
			return autoscale.Need{}, errors.New("Redis is away")
		}
		return autoscale.Need{Slots: 20, Workers: 2, Exact: 1.25}, nil
	}, worker))
	figures := func() map[string]float64 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string]float64)
		for _, f := range families {
			all[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
		}
		return all
	}
	if got := figures(); len(got) > 0 {
		t.Errorf("a worker that does not sweep reports %v", got)
	}
	if err := worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it sweeps", func() bool { return worker.Sweeps(0) })
	if got := figures(); got["outgate_required_workers"] != 1.25 || got["outgate_required_slots"] != 20 {
		t.Errorf("reports %v", got)
	}
	away.Store(true)
	eventually(t, "it reports nothing without knowing", func() bool { return len(figures()) == 0 })
	away.Store(false)
	if got := figures(); got["outgate_required_workers"] != 1.25 {
		t.Errorf("reports %v though Redis is back", got)
	}
}
