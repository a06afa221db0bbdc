package handlers_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

func TestAConfigWithABridgeAloneDelivers(t *testing.T) {
	t.Parallel()
	cfg := handlers.Config{Bridges: []*handlers.Bridge{{ID: "b", Channel: newScripted(nil)}}}
	g := newGateway(t, cfg)
	g.work()
	if o := g.Send(toRoom("b", "1", "x")); o.Attempts != 1 {
		t.Errorf("got %d attempts, want 1", o.Attempts)
	}
}

func TestABridgeInheritsWhatItsPolicyLeavesOut(t *testing.T) {
	t.Parallel()
	cfg := testConfig(&handlers.Bridge{
		ID: "b", Channel: newScripted(func(tasks.Message) sandbox.Behavior { return sandbox.Behavior{Fail: classify.Retryable} }), Policy: handlers.Policy{MaxAttempts: 2},
	})
	cfg.Policy.Backoff = classify.Backoff{Base: time.Millisecond, Max: time.Millisecond}
	g := newGateway(t, cfg)
	g.work()
	o := g.Fail(toRoom("b", "1", "x"))
	if o.Attempt != 2 || o.MaxAttempts != 2 {
		t.Errorf("got attempt %d of %d, want 2 of 2", o.Attempt, o.MaxAttempts)
	}
}

func TestAllFaultsOfAConfigAreFoundAtOnce(t *testing.T) {
	ok := newScripted(nil)
	cfg := handlers.Config{
		Scheme: partition.Scheme{Count: 1000, Namespace: "Out"}, Capacity: -1, MaxBytes: -1, DeadLetterTTL: -1, Concurrency: -1,
		Pressure: partition.Pressure{Warn: .9, Degraded: .8, Shed: 2},
		Policy:   handlers.Policy{MaxAttempts: -1, Timeout: time.Minute, OnAmbiguous: "maybe", OnFailure: "never", IdempotencyWindow: -1},
		Bridges: []*handlers.Bridge{
			nil,
			{ID: "a b", Channel: ok, Policy: handlers.DefaultPolicy()},
			{ID: "c", Policy: handlers.DefaultPolicy()},
			{ID: "c", Channel: ok, Policy: handlers.Policy{Backoff: classify.Backoff{Base: -1}}},
		},
	}
	_, err := handlers.New(newGateway(t, testConfig()).Redis, cfg)
	var fields []string
	joined, _ := err.(interface{ Unwrap() []error })
	if joined == nil {
		t.Fatalf("got %v, want joined faults", err)
	}
	for _, e := range joined.Unwrap() {
		var fault *handlers.ConfigError
		if !errors.As(e, &fault) {
			t.Fatalf("got %v, want a *ConfigError", e)
		}
		fields = append(fields, fault.Field)
	}
	want := []string{
		"Scheme", "Pressure", "Capacity", "MaxBytes", "DeadLetterTTL", "Concurrency", "Policy.MaxAttempts", "Policy.Timeout",
		"Policy.OnAmbiguous", "Policy.OnFailure", "Policy.IdempotencyWindow", "Bridges[0]", "Bridges[1].ID",
		"Bridges[2].Channel", "Bridges[3].ID",
	}
	for _, field := range want {
		if !slices.Contains(fields, field) {
			t.Errorf("got faults of %v, want one of %s", fields, field)
		}
	}
	if !slices.Contains(fields, "Bridges[3].Policy.Backoff.Base") {
		t.Errorf("got faults of %v, want one of the backoff that a bridge has itself", fields)
	}
	if _, err := handlers.New(nil, handlers.Config{}); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("without Redis: got %v, want an error", err)
	}
}

func TestRunDeliversUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testConfig(testBridge("b", newScripted(nil))))
	w := g.NewWorker()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- w.Run(ctx) }()
	g.Send(toRoom("b", "1", "x"))
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("run: got %v, want no error", err)
	}
	for range 2 { // again, and again
		if err := w.Stop(t.Context()); err != nil {
			t.Errorf("stop: got %v, want no error", err)
		}
	}
	if err := w.Start(t.Context()); !errors.Is(err, handlers.ErrStarted) {
		t.Errorf("start after the stop: got %v, want ErrStarted", err)
	}
}

func TestStopEndsARun(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testConfig(testBridge("b", newScripted(nil))))
	w := g.NewWorker()
	ran := make(chan error, 1)
	go func() { ran <- w.Run(t.Context()) }()
	g.Send(toRoom("b", "1", "x"))
	stopped := make(chan error, 2)
	for range 2 {
		go func() { stopped <- w.Stop(context.Background()) }()
	}
	for _, done := range []chan error{stopped, stopped, ran} {
		if err := <-done; err != nil {
			t.Errorf("got %v, want no error", err)
		}
	}
}

func TestStopReturnsAtTheEndOfItsContext(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	ch := newScripted(func(tasks.Message) sandbox.Behavior {
		<-hang
		return sandbox.Behavior{}
	})
	g := newGateway(t, testConfig(testBridge("b", ch)))
	w := g.work()
	g.Enqueue(toRoom("b", "1", "x"))
	until(t, "the send is under way", func() bool { return w.value(t, "outgate_worker_slots", "state", "calling") == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Worker.Worker.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	close(hang)
}

func TestWorkersOnOneRegistryAreRefusedUntilTheFirstStops(t *testing.T) {
	t.Parallel()
	g := newGateway(t, testConfig(testBridge("b", newScripted(nil))))
	g.Config.Registry = prometheus.NewRegistry()
	first := g.work()
	var taken prometheus.AlreadyRegisteredError
	if _, err := handlers.New(g.Redis, g.Config); !errors.As(err, &taken) {
		t.Errorf("a second worker: got %v, want AlreadyRegisteredError", err)
	}
	first.Stop()
	g.work()
}

func TestAnEmbedderHearsOutcomesAndRefusals(t *testing.T) {
	t.Parallel()
	outcomes, refused := make(chan tasks.Outcome, 10), make(chan handlers.Refused, 10)
	cfg := onePartition(testBridge("b", newScripted(nil)))
	cfg.OnOutcome = func(o tasks.Outcome) {
		outcomes <- o
		panic("an embedder's fault ends no worker")
	}
	cfg.OnRefused = func(r handlers.Refused) { refused <- r }
	g := newGateway(t, cfg)
	w := g.work()
	g.work() // a second one does not tell again
	until(t, "the partition has a sweeper", func() bool { return w.Sweeps(0) })
	g.Heard(g.Keys(0).Events())
	r := g.Enqueue(toRoom("b", "1", "x"))
	if o := <-outcomes; o.Success == nil || o.Success.ID != r.ID {
		t.Errorf("got %+v, want the success of %s", o, r.ID)
	}
	e := toRoom("b", "1", "x")
	e.Channel = "telegram"
	if _, err := g.Client.Enqueue(t.Context(), e); err == nil {
		t.Fatal("the enqueue of another channel was admitted, want a refusal")
	}
	want := handlers.Refused{Code: tasks.CodeInvalid, Priority: tasks.PriorityNormal, Partition: 0}
	if got := <-refused; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	g.Send(toRoom("b", "1", "x"))
	if n := len(refused); n != 0 {
		t.Errorf("got %d more refusals, want none", n)
	}
}

func TestAWorkersClientChoosesThePriority(t *testing.T) {
	t.Parallel()
	cfg := onePartition(testBridge("b", newScripted(nil)))
	cfg.Priority = func(e tasks.Envelope) tasks.Priority {
		if e.ExternalRoomID == "alarm" {
			return tasks.PriorityCritical
		}
		return ""
	}
	g := newGateway(t, cfg)
	client := g.work().Client()
	t.Cleanup(func() { _ = client.Close() })
	low := toRoom("b", "alarm", "x")
	low.Priority = tasks.PriorityLow
	for _, e := range []tasks.Envelope{toRoom("b", "alarm", "x"), toRoom("b", "1", "x"), low} {
		if _, err := client.Enqueue(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	state := g.Redis.HGetAll(t.Context(), g.Keys(0).State()).Val()
	for priority, want := range map[string]string{"critical": "1", "normal": "1", "low": "1"} {
		if got := state["enqueued:send:"+priority]; got != want {
			t.Errorf("got %s of priority %s, want %s", got, priority, want)
		}
	}
}
