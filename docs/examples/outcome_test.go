package examples_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers/gatewaytest"
)

// receipt enqueues an envelope and returns its receipt.
func (g *gateway) receipt(t *testing.T, envelope string) (r struct {
	Status, ID string
	Outcome    json.RawMessage
},
) {
	t.Helper()
	if got := g.call(t, "{}", envelope); json.Unmarshal([]byte(got), &r) != nil {
		t.Fatalf("got %s, want a receipt", got)
	}
	return r
}

// outcome waits for the outcome of an id, and returns it with how long it is kept.
func (g *gateway) outcome(t *testing.T, id string) (outcome string, kept time.Duration) {
	t.Helper()
	key := "outgate:{outbound-" + id[:3] + "}:outcome:" + id
	gatewaytest.Until(t, "there is an outcome of "+id, func() bool {
		var err error
		outcome, err = g.Redis.Get(t.Context(), key).Result()
		return err == nil
	})
	return outcome, g.Redis.PTTL(t.Context(), key).Val()
}

func TestOutcomesAreKeptAsTheProtocolSays(t *testing.T) {
	g := newGateway(t) // results.ttl a minute, the window an hour
	to := func(bridge, more string) string {
		return strings.Replace(envelope(more), `"b"`, `"`+bridge+`"`, 1)
	}
	between := func(what string, kept, least, most time.Duration) {
		t.Helper()
		if kept < least || kept > most {
			t.Errorf("%s: got kept for %s, want %s to %s", what, kept, least, most)
		}
	}
	_, kept := g.outcome(t, g.receipt(t, to("sandbox", "")).ID)
	between("an outcome", kept, 50*time.Second, time.Minute)

	const failing = `,"idempotency_key":"k","opts":{"metadata":{"sandbox":{"fail":"terminal"}}}`
	first := g.receipt(t, to("sandbox", failing))
	outcome, kept := g.outcome(t, first.ID)
	between("an outcome by key", kept, 59*time.Minute, time.Hour)
	again := g.receipt(t, to("sandbox", failing))
	if again.Status != "duplicate" || again.ID != first.ID || string(again.Outcome) != outcome || !strings.Contains(outcome, `"status":"error"`) {
		t.Errorf("the key of a failed envelope: got %+v, want a duplicate with the outcome %s", again, outcome)
	}

	outcome, _ = g.outcome(t, g.receipt(t, to("nobody", "")).ID)
	if !strings.Contains(outcome, `"reason":"unknown_bridge"`) {
		t.Errorf("a bridge that is not configured: got %s, want the reason unknown_bridge", outcome)
	}
}

func TestWithoutKeptResultsAnOutcomeIsPublishedAllTheSame(t *testing.T) {
	cfg := gatewaytest.Config(1, gatewaytest.Sandbox("b"))
	cfg.ResultTTL = -1
	g := &gateway{gatewaytest.New(t, cfg)}
	heard := g.Redis.Subscribe(t.Context(), "outgate:{outbound-000}:outcomes")
	t.Cleanup(func() { _ = heard.Close() })
	if _, err := heard.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.Work()
	id := g.receipt(t, envelope("")).ID
	m, err := heard.ReceiveMessage(t.Context())
	if err != nil || !strings.Contains(m.Payload, `"id":"`+id+`"`) {
		t.Errorf("got %v, %v, want the published outcome of %s", m, err, id)
	}
	if n := g.Redis.Exists(t.Context(), "outgate:{outbound-000}:outcome:"+id).Val(); n != 0 {
		t.Errorf("got a kept outcome of %s, want none", id)
	}
}
