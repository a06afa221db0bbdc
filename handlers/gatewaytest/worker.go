package gatewaytest

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/outgate/outgate/handlers"
)

// Worker is a worker that runs.
type Worker struct {
	*handlers.Worker
	// Registry has its metrics, Logs what it logged at info and above.
	Registry *prometheus.Registry
	Logs     *observer.ObservedLogs

	t testing.TB
}

// Work starts a worker; the test's end stops it. Its metrics are in a registry of its
// own, unless Config has one.
func (g *Gateway) Work() *Worker {
	g.T.Helper()
	w, own := &Worker{t: g.T}, *g
	var ok bool
	if w.Registry, ok = g.Config.Registry.(*prometheus.Registry); !ok {
		w.Registry = prometheus.NewRegistry()
		own.Config.Registry = w.Registry
	}
	core, logs := observer.New(zap.InfoLevel)
	own.Config.Log, w.Logs = zap.New(core), logs
	w.Worker = own.NewWorker()
	if err := w.Start(g.T.Context()); err != nil {
		g.T.Fatalf("start a worker: %v", err)
	}
	g.T.Cleanup(w.Stop)
	return w
}

// Stop stops the worker. It may be called again.
func (w *Worker) Stop() {
	w.t.Helper()
	if err := w.Worker.Stop(context.Background()); err != nil {
		w.t.Errorf("stop the worker: got %v, want no error", err)
	}
}
