package channels

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

func TestAConfigurationBecomesAWorker(t *testing.T) {
	c := parsed(t, `
partitions: {count: 4, namespace: eu, capacity: 100, hash: fnv1a, hash_key: thread}
pressure: {warn: 0.1, degraded: 0.2, shed: 0.3, degraded_throttle: 7ms, shed_priorities: [low, normal]}
delivery: {max_attempts: 7, timeout: 3s, on_ambiguous: fail, on_failure: hold, idempotency_window: 1h}
results: {ttl: 1m}
limits: {envelope_bytes: 2048}
dead_letters: {ttl: 2h}
worker: {concurrency: 3, shutdown_timeout: 4s}
bridges:
  - id: a
    channel: sandbox
    limits: {bridge: 5/1s, room: 1/1s}
    delivery: {max_attempts: 2, on_failure: skip}
    chunking: {max: 10}
    sanitize: {control: keep}
    classify: [{status: 403, category: retryable}]
  - {id: b, channel: webhook, url: "http://example.com"}
`)
	got, err := Worker(c, zap.NewNop(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	policy := handlers.Policy{
		MaxAttempts: 7, Backoff: classify.Backoff{Base: 500 * time.Millisecond, Max: 30 * time.Second}, Timeout: 3 * time.Second,
		OnAmbiguous: handlers.Fail, OnFailure: handlers.HoldLine, IdempotencyWindow: time.Hour,
	}
	want := handlers.Config{
		Scheme:   partition.Scheme{Count: 4, Namespace: "eu", Hash: partition.FNV1a, HashKey: partition.ByThread},
		Capacity: 100, Pressure: partition.Pressure{
			Warn: .1, Degraded: .2, Shed: .3, Throttle: 7 * time.Millisecond, ShedPriorities: []string{"low", "normal"},
		},
		MaxBytes: 2048, Policy: policy, ResultTTL: time.Minute, DeadLetterTTL: 2 * time.Hour, Concurrency: 3, ShutdownTimeout: 4 * time.Second,
	}
	a, b := got.Bridges[0], got.Bridges[1]
	if got.Log == nil {
		t.Error("the log is missing")
	}
	got.Log, got.Bridges = nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if a.ID != "a" || a.Channel.Type() != "sandbox" || b.ID != "b" || b.Channel.Type() != "webhook" {
		t.Errorf("bridges %+v, %+v", a, b)
	}
	if diff := cmp.Diff(policy, b.Policy); diff != "" {
		t.Errorf("b's policy is the global one (-want +got):\n%s", diff)
	}
	policy.MaxAttempts, policy.OnFailure = 2, handlers.Skip
	if diff := cmp.Diff(policy, a.Policy); diff != "" {
		t.Errorf("a's policy (-want +got):\n%s", diff)
	}
	media := handlers.MediaRules{MaxBytes: 50 << 20, Timeout: 30 * time.Second}
	hooks := handlers.Hooks{
		Media:    handlers.MediaFallback{Default: "reject", Rules: media},
		Sanitize: handlers.TextSanitizer{Control: handlers.KeepControl},
	}
	if diff := cmp.Diff(hooks, a.Hooks); diff != "" || a.MaxText != 10 || a.CoalesceEdits {
		t.Errorf("a's hooks (-want +got):\n%s", diff)
	}
	hooks = handlers.Hooks{
		Media:    handlers.MediaFallback{Default: "reject", Rules: media},
		Sanitize: handlers.TextSanitizer{Control: handlers.StripControl},
	}
	if diff := cmp.Diff(hooks, b.Hooks); diff != "" || b.MaxText != 0 {
		t.Errorf("b's hooks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]ratelimit.Limit{{N: 5, Window: time.Second}}, a.BridgeLimits); diff != "" {
		t.Errorf("a's limits (-want +got):\n%s", diff)
	}
	if len(a.Rules) != 1 || len(b.Rules) != 1 {
		t.Errorf("rules %v, %v", a.Rules, b.Rules)
	}
}

func TestPressureThatDoesNothing(t *testing.T) {
	c := parsed(t, "pressure: {degraded_action: none, shed_action: none}")
	want := partition.Pressure{Warn: .7, Degraded: .85, Shed: .95}
	if diff := cmp.Diff(want, pressureOf(c.Pressure)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAChannelRefusesItsConfigurationWhereItStands(t *testing.T) {
	_, err := config.Parse("c.yaml", []byte(`bridges:
- id: a
  channel: webhook
  url: http://example.com
  secret: whsec_no-base64
- {id: b, channel: webhook, url: "http://example.com", secret_file: ../config/testdata/secrets/crlf}
`), Known, func(string) string { return "" })
	want := "c.yaml:5:11: bridges[0].secret: what follows whsec_ is not a key in base64"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	cfg := config.Default()
	cfg.Bridges = []config.Bridge{{ID: "x", Channel: "webhook"}}
	if _, err := Worker(cfg, zap.NewNop(), io.Discard); !errors.As(err, new(*tasks.ConfigError)) {
		t.Errorf("a bridge that cannot be opened: %v", err)
	}
}

// parsed is a configuration without faults.
func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("c.yaml", []byte(text), Known, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return c
}
