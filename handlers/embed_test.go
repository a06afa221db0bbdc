package handlers_test

import (
	"context"
	"errors"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// embedded makes a worker that is not started, with one bridge, "b".
func embedded(t *testing.T, server *redistest.Server, cfg handlers.Config) *handlers.Worker {
	t.Helper()
	cfg.Bridges = []*handlers.Bridge{{ID: "b", Channel: sandbox.New(sandbox.Config{})}}
	w, err := handlers.New(server.Client(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Stop(context.Background()) })
	return w
}

func TestAWorkerThatRedisFailedIsStartedAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := embedded(t, server, handlers.Config{})
	if err := w.Ready(t.Context()); !errors.Is(err, handlers.ErrNotStarted) {
		t.Errorf("before the start: got %v, want ErrNotStarted", err)
	}
	server.Kill()
	if err := w.Start(t.Context()); err == nil || errors.Is(err, handlers.ErrStarted) {
		t.Errorf("without Redis: got %v, want an error of the connection", err)
	}
	server.Restart()
	if err := w.Start(t.Context()); err != nil {
		t.Fatalf("with Redis: got %v, want no error", err)
	}
	if err := w.Ready(t.Context()); err != nil {
		t.Errorf("after the start: got %v, want no error", err)
	}
	if err := w.Start(t.Context()); !errors.Is(err, handlers.ErrStarted) {
		t.Errorf("twice: got %v, want ErrStarted", err)
	}
}

func TestAWorkerTellsItsConfigAndItsMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	w := embedded(t, redistest.Start(t), handlers.Config{Registry: registry})
	cfg := w.Config()
	if cfg.Scheme.Count != 16 || cfg.ResultTTL != handlers.DefaultResultTTL || len(cfg.Bridges) != 1 || cfg.Bridges[0].Policy.MaxAttempts != 5 {
		t.Errorf("got %+v, want the defaults and the bridge", cfg)
	}
	for name, g := range map[string]prometheus.Gatherer{"of its own": w.Metrics(), "in its registry": registry} {
		families, err := g.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range families {
			names = append(names, f.GetName())
		}
		for _, want := range []string{"outgate_worker_slots", "outgate_redis_up"} {
			if !slices.Contains(names, want) {
				t.Errorf("the metrics %s: got %v, want %s too", name, names, want)
			}
		}
	}
}

func TestOnEnvelopeGetsWhatTheWorkerTakesUp(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	got := make(map[string]tasks.Envelope)
	w := embedded(t, redistest.Start(t), handlers.Config{OnEnvelope: func(id string, e tasks.Envelope) {
		mu.Lock()
		defer mu.Unlock()
		got[id] = e
		panic("it must not fail the delivery")
	}})
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := w.Client()
	t.Cleanup(func() { _ = client.Close() })
	sent, err := client.SendMessage(t.Context(), tasks.Envelope{
		BridgeID: "b", ExternalRoomID: "1", Payload: tasks.Text("hello"), Priority: tasks.PriorityLow,
	})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if e := got[sent.ID]; len(got) != 1 || e.Payload.Text != "hello" || e.Priority != tasks.PriorityLow {
		t.Errorf("got %v, want the envelope of %s alone", got, sent.ID)
	}
}

func TestTheTablesOfTheDocsHaveEveryField(t *testing.T) {
	text, err := os.ReadFile("../docs/embedding.md")
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) == 5 {
			for _, name := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(cells[1], -1) {
				named[name[1]] = true
			}
		}
	}
	for _, of := range []reflect.Type{reflect.TypeFor[handlers.Config](), reflect.TypeFor[handlers.Policy]()} {
		for field := range of.Fields() {
			if name := field.Name; !named[name] {
				t.Errorf("docs/embedding.md has no row for %s of %s", name, of)
			}
		}
	}
}
