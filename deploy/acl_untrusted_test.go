package deploy_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

const inStream = "outgate:in:{outbound-007}"

func TestAnUntrustedProducerIsServedThroughItsStream(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil)
	w := work(t, g.as(workerUser))
	isServed(t, g.as(untrustedUser), w)
	w.calm(t)
}

// isServed adds to a stream, and reads the replies.
func isServed(t *testing.T, c redis.UniversalClient, w *testWorker) {
	t.Helper()
	queue := w.Keys(w.Config.Scheme.Route("b", "1")).Queue
	stream, replies := "outgate:in:{"+queue+"}", "outgate:reply:{"+queue+"}:shop"
	hear := func() string {
		t.Helper()
		v, _ := may(t, c, "BLPOP", replies, "20").([]any)
		if len(v) != 2 {
			t.Fatal("got no reply within 20 s, want one")
		}
		return v[1].(string)
	}

	may(t, c, "XADD", stream, "*", "envelope", envelope, "reply_to", "shop", "ref", "order-1")
	if got := hear(); !strings.HasPrefix(got, `{"ref":"order-1","receipt":`) {
		t.Errorf("got %s, want a receipt", got)
	}
	if got := hear(); !strings.Contains(got, `"status":"success"`) {
		t.Errorf("got %s, want the outcome", got)
	}
	may(t, c, "XADD", stream, "*", "envelope", "no JSON", "reply_to", "shop", "ref", "order-2")
	if got := hear(); !strings.Contains(got, "OUTGATE_INVALID") {
		t.Errorf("got %s, want a refusal", got)
	}
}

// notAnUntrusteds are commands that an untrusted producer has no right to run.
var notAnUntrusteds = []string{
	"XADD outgate:in:other * a b", "XADD outgate:in:{outbound-0077} * a b", "XADD outgate:reply:x * a b",
	"XRANGE " + inStream + " - +", "XREAD STREAMS " + inStream + " 0", "XLEN " + inStream, "XDEL " + inStream + " 1-1",
	"XTRIM " + inStream + " MAXLEN 0", "DEL " + inStream, "XGROUP CREATE " + inStream + " g 0",
	"RPUSH outgate:reply:{outbound-007}:x 1", "DEL outgate:reply:{outbound-007}:x", "BLPOP asynq:{outbound-007}:pending 1",
	"HGETALL outgate:api", "GET outgate:{outbound-007}:outcome:x", "LRANGE outgate:{outbound-007}:line:b:1 0 -1",
	"LPUSH asynq:{outbound-007}:pending x", "HSET asynq:{outbound-007}:t:x msg y", "SMEMBERS asynq:queues", "GET other",
	"EVAL return 1 0", "SCRIPT LOAD x", "FLUSHALL", "CONFIG GET *", "KEYS *", "SCAN 0", "INFO", "ACL LIST", "CLIENT LIST",
	"PUBLISH outgate:{outbound-007}:wake x", "SUBSCRIBE outgate:{outbound-007}:outcomes",
}

func TestAnUntrustedProducerCanDoNothingElse(t *testing.T) {
	t.Parallel()
	g := newGuarded(t, nil)
	work(t, g.as(workerUser))
	c := g.as(untrustedUser)
	may(t, c, "PING")
	mayNot(t, c, "EVALSHA", sha1OfEnqueue(), 1, "{}", envelope)
	mayNot(t, c, "FCALL", "outgate_enqueue", 1, "{}", envelope)
	for _, line := range notAnUntrusteds {
		mayNot(t, c, words(line)...)
	}
}

// No rule can forbid XADD its options. So a hostile producer can delete what other
// producers put into its stream, and block the stream. It cannot touch admitted envelopes.
func TestAProducerThatMayAddToAStreamMayAlsoSpoilIt(t *testing.T) {
	t.Parallel()
	c := newGuarded(t, nil).as(untrustedUser)
	may(t, c, "XADD", inStream, "*", "envelope", envelope)
	may(t, c, "XADD", inStream, "MAXLEN", "0", "18446744073709551615-18446744073709551615", "a", "b")
	err := c.Do(t.Context(), "XADD", inStream, "*", "envelope", envelope).Err()
	if err == nil || !strings.Contains(err.Error(), "exhausted the last possible ID") {
		t.Errorf("got %v, want an error about the last possible ID", err)
	}
}
