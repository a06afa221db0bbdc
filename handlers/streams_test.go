package handlers_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/tasks"
)

// word is what a producer of a stream is told.
type word struct {
	Ref     string
	Receipt *tasks.Receipt
	Refused *struct{ Code, Text string }
	Outcome *tasks.Outcome
}

// add puts an envelope into the stream of its partition, as a producer does that may
// do no more.
func (g *gateway) add(room, fields string, more ...any) string {
	g.T.Helper()
	envelope := fmt.Sprintf(`{"operation":"send","bridge_id":"b","external_room_id":%q,"payload":"x"%s}`, room, fields)
	return g.addRaw(g.Config.Scheme.Route("b", room), envelope, more...)
}

func (g *gateway) addRaw(index int, envelope string, more ...any) string {
	g.T.Helper()
	id, err := g.Redis.XAdd(g.T.Context(), &redis.XAddArgs{
		Stream: g.Keys(index).In(), Values: append([]any{"envelope", envelope}, more...),
	}).Result()
	if err != nil {
		g.T.Fatal(err)
	}
	return id
}

// words waits for what a producer is told of a partition.
func (g *gateway) words(index int, name string, n int) []word {
	g.T.Helper()
	key := g.Keys(index).Reply(name)
	until(g.T, fmt.Sprintf("%d words for %s", n, name), func() bool { return g.Redis.LLen(g.T.Context(), key).Val() >= int64(n) })
	var words []word
	for _, text := range g.Redis.LRange(g.T.Context(), key, 0, -1).Val() {
		var w word
		if err := json.Unmarshal([]byte(text), &w); err != nil {
			g.T.Fatalf("%s: %v", text, err)
		}
		words = append(words, w)
	}
	if len(words) != n {
		g.T.Errorf("%d words, want %d: %+v", len(words), n, words)
	}
	if ttl := g.Redis.PTTL(g.T.Context(), key).Val(); ttl <= 9*time.Minute {
		g.T.Errorf("they are kept for %s", ttl)
	}
	return words
}

func TestAStreamIsDrainedInItsOrderAndItsProducerIsTold(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.ExternalRoomID == "bad" {
			return sandbox.Behavior{Fail: classify.Terminal}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, onePartition(testBridge("b", ch)))
	var want []string
	for i := range 100 {
		g.add("1", fmt.Sprintf(`,"correlation_id":"c%d"`, i))
		want = append(want, fmt.Sprint("c", i))
	}
	g.work()
	until(t, "all are delivered", func() bool { return len(ch.attempts("1")) == 100 })
	var got []string
	for _, a := range ch.attempts("1") {
		got = append(got, a.CorrelationID)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("delivered %q", got)
	}
	if n := g.Redis.XLen(t.Context(), g.Keys(0).In()).Val(); n != 0 {
		t.Errorf("%d are left in the stream", n)
	}

	// Whoever takes the last id there is closes the stream for no longer than that.
	last := g.Redis.XAdd(t.Context(), &redis.XAddArgs{
		Stream: g.Keys(0).In(), ID: "18446744073709551615-18446744073709551615", Values: []any{"envelope", "{}"},
	})
	if err := last.Err(); err != nil {
		t.Fatal(err)
	}
	until(t, "the stream takes more", func() bool { return g.Redis.Exists(t.Context(), g.Keys(0).In()).Val() == 0 })

	g.add("1", "", "reply_to", "me", "ref", "mine")
	words := g.words(0, "me", 2)
	if w := words[0]; w.Ref != "mine" || w.Receipt == nil || w.Receipt.Status != tasks.Accepted {
		t.Errorf("first %+v", w)
	}
	if w := words[1]; w.Ref != "mine" || w.Outcome == nil || w.Outcome.Success == nil || w.Outcome.Success.ID != words[0].Receipt.ID {
		t.Errorf("then %+v", w)
	}
	entry := g.add("bad", "", "reply_to", "bad")
	if w := g.words(0, "bad", 2)[1]; w.Ref != entry || w.Outcome == nil || w.Outcome.Error == nil || w.Outcome.Error.Reason != classify.ReasonRejected {
		t.Errorf("%+v", w)
	}
}

func TestWhatIsWrongInAStreamIsRefusedAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	cfg := testConfig(testBridge("b", ch))
	cfg.Scheme.Count = 2
	g := newGateway(t, cfg)
	index := cfg.Scheme.Route("b", "1")
	elsewhere := `{"operation":"send","bridge_id":"b","external_room_id":"1","payload":"x"}`
	g.addRaw(index, `{"operation":"send"}`, "reply_to", "p", "ref", "1")
	g.addRaw(index, `no JSON`, "reply_to", "p", "ref", "2")
	g.addRaw(index, `{}`, "reply_to", "no name", "ref", "3") // nobody can be told
	g.addRaw(index, `{}`, "reply_to", "", "ref", "a b")
	g.addRaw(index, `{}`)
	g.addRaw(1-index, elsewhere, "reply_to", "p", "ref", "4")
	g.add("1", "", "reply_to", "p", "ref", `"5"`)
	g.work()
	words := g.words(index, "p", 4)
	for i, want := range []string{"OUTGATE_INVALID bridge_id: is required", "OUTGATE_INVALID (envelope): is not JSON"} {
		if w := words[i]; w.Ref != fmt.Sprint(i+1) || w.Refused == nil || w.Refused.Code+" "+w.Refused.Text != want {
			t.Errorf("%+v of %+v, want %s", w.Refused, w, want)
		}
	}
	if words[2].Ref != `"5"` || words[2].Receipt == nil || words[3].Outcome == nil {
		t.Errorf("the good one: %+v", words[2:])
	}
	other := g.words(1-index, "p", 1)
	if w := other[0]; w.Refused == nil || w.Refused.Code != "OUTGATE_WRONG_PARTITION" || w.Refused.Text != "want "+cfg.Scheme.Queue(index) {
		t.Errorf("elsewhere: %+v", w)
	}
}

func TestADuplicateInAStreamIsToldTheSameOutcome(t *testing.T) {
	t.Parallel()
	ch := newGated(t)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	g.work()
	const key = `,"idempotency_key":"k"`
	g.add("gated", key, "reply_to", "a", "ref", "1")
	until(t, "it is in flight", func() bool { return ch.hung() == 1 })
	g.add("gated", key, "reply_to", "b", "ref", "2")
	first := g.words(0, "b", 1)[0]
	if first.Receipt == nil || first.Receipt.Status != tasks.Duplicate || first.Receipt.Outcome != nil {
		t.Errorf("while it is in flight: %+v", first)
	}
	ch.open()
	a, b := g.words(0, "a", 2)[1], g.words(0, "b", 2)[1]
	if a.Ref != "1" || b.Ref != "2" || a.Outcome == nil || b.Outcome == nil || a.Outcome.ID() != b.Outcome.ID() {
		t.Errorf("outcomes %+v and %+v", a, b)
	}
	g.add("gated", key, "reply_to", "c", "ref", "3")
	if w := g.words(0, "c", 1)[0]; w.Receipt == nil || w.Receipt.Outcome == nil {
		t.Errorf("once it is settled: %+v", w)
	}
}
