package handlers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

func chunked(runes int) func(*handlers.Bridge) {
	return func(b *handlers.Bridge) { b.MaxText = runes }
}

// tokens are the tokens of the attempts, in order, without the id.
func tokens(id string, attempts []attempt) string {
	var tokens []string
	for _, a := range attempts {
		tokens = append(tokens, strings.TrimPrefix(a.Token, id))
	}
	return strings.Join(tokens, " ")
}

func TestPiecesAreSentInOrderWithATokenEach(t *testing.T) {
	t.Parallel()
	limits := map[string][]ratelimit.Limit{"unlimited": nil, "behind a limit": {{N: 1, Window: 50 * time.Millisecond}}}
	for name, limit := range limits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch := newScripted(nil)
			g := newGateway(t, testConfig(testBridge("b", ch, chunked(2), func(b *handlers.Bridge) { b.RoomLimits = limit })))
			g.work()
			o := g.Send(toRoom("b", "1", "aabbc"))
			if got := tokens(o.ID, ch.attempts("1")); got != ".0 .1 .2" {
				t.Errorf("tokens %q", got)
			}
			if got := ch.texts("1"); got != "aa bb c" {
				t.Errorf("delivered %q", got)
			}
			for i, a := range ch.attempts("1") {
				if want := (tasks.Chunk{Index: i, Count: 3}); a.Chunk != want || a.Attempt != 1 || a.ID != o.ID {
					t.Errorf("piece %d is %+v of attempt %d", i, a.Chunk, a.Attempt)
				}
			}
			if d := cmp.Diff([]string{"sb-1", "sb-2", "sb-3"}, o.MessageIDs); d != "" || o.MessageID != "sb-1" || o.Attempts != 1 {
				t.Errorf("outcome %+v", o)
			}
			whole := g.Send(toRoom("b", "1", "ab"))
			if got := tokens(whole.ID, ch.attempts("1")[3:]); got != "" {
				t.Errorf("the token of one piece is the id, with %q", got)
			}
		})
	}
}

func TestARetryResumesAtThePieceThatFailed(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		backoff time.Duration
		max     int
		tokens  string
	}{
		"after a retry in hand":               {5 * time.Millisecond, 5, ".0 .1 .1 .2 .2"},
		"after a retry in asynq's retry set":  {1300 * time.Millisecond, 5, ".0 .1 .1 .2 .2"},
		"and is given up at its last attempt": {5 * time.Millisecond, 2, ".0 .1 .1 .2"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch := newScripted(func(m tasks.Message) sandbox.Behavior {
				if m.Chunk.Index == 0 {
					return sandbox.Behavior{}
				}
				return sandbox.Behavior{Fail: classify.Retryable, Times: 1}
			})
			g := newGateway(t, testConfig(testBridge("b", ch, chunked(2))))
			g.work()
			e := toRoom("b", "1", "aabbc")
			e.MaxAttempts, e.BaseBackoffMS = c.max, c.backoff.Milliseconds()
			r := g.Enqueue(e)
			o := g.Outcome(r)
			if got := tokens(r.ID, ch.attempts("1")); got != c.tokens {
				t.Errorf("tokens %q, want %q", got, c.tokens)
			}
			if c.max == 2 {
				letter, err := g.DeadLetters().Show(t.Context(), r.ID)
				if d := cmp.Diff([]string{"sb-1", "sb-2"}, letter.MessageIDs); d != "" || err != nil || o.Error == nil {
					t.Errorf("dead letter %+v (%v), outcome %+v", letter, err, o)
				}
				return
			}
			if o.Success == nil || o.Success.Attempts != 3 || len(o.Success.MessageIDs) != 3 || o.Success.PossibleDuplicate {
				t.Errorf("outcome %+v", o.Success)
			}
			if got := ch.texts("1"); got != "aa bb c" {
				t.Errorf("delivered %q", got)
			}
		})
	}
}

// A worker that ends between two pieces leaves no doubt: the piece is not sent
// twice.
func TestAnotherWorkerResumesAtThePieceThatIsMissing(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	cfg := testConfig(testBridge("b", ch, chunked(2), func(b *handlers.Bridge) {
		b.RoomLimits = []ratelimit.Limit{{N: 1, Window: time.Second}}
	}))
	g := newGateway(t, cfg)
	w := g.work()
	r := g.Enqueue(toRoom("b", "1", "aabbcc"))
	until(t, "the first piece is sent", func() bool { return len(ch.attempts("1")) == 1 })
	w.Stop() // while it waits for the second one's slot
	g.work()
	if o := g.Delivered(r); o.Attempts != 1 || o.PossibleDuplicate || len(o.MessageIDs) != 3 {
		t.Errorf("outcome %+v", o)
	}
	if got := tokens(r.ID, ch.attempts("1")); got != ".0 .1 .2" {
		t.Errorf("tokens %q", got)
	}
}

// odd is a channel whose result is no JSON.
type odd struct{ *scripted }

func (c odd) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	d, err := c.Channel.Send(ctx, m)
	d.Result = map[string]any{"odd": func() {}}
	return d, err
}

func TestAResultThatIsNoJSONDoesNotSendTwice(t *testing.T) {
	t.Parallel()
	ch := newScripted(func(m tasks.Message) sandbox.Behavior {
		if m.Chunk.Index == 1 {
			return sandbox.Behavior{Fail: classify.Retryable, Times: 1}
		}
		return sandbox.Behavior{}
	})
	g := newGateway(t, testConfig(testBridge("b", odd{ch}, chunked(2))))
	g.work()
	for room, want := range map[string]string{"one": "", "three": ".0 .1 .1 .2"} {
		text, pieces := "aa", 1
		if room == "three" {
			text, pieces = "aabbcc", 3
		}
		o := g.Send(toRoom("b", room, text))
		if len(o.MessageIDs) != pieces || len(o.Result) != 0 {
			t.Errorf("outcome %+v", o)
		}
		if got := tokens(o.ID, ch.attempts(room)); got != want {
			t.Errorf("tokens %q, want %q", got, want)
		}
	}
}
