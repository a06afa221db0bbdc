package tasks

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/lua"
)

var (
	//go:embed *.lua
	scripts embed.FS

	// EnqueueScript is the text of the admission script: one for the Go client and
	// for any Redis client.
	EnqueueScript = lua.MustLoad(scripts, "enqueue.lua")

	enqueueSHA = redis.NewScript(EnqueueScript).Hash()
)

// Receipt is what an admitted envelope gets.
type Receipt struct {
	// Status is "accepted" or "duplicate".
	Status ReceiptStatus `json:"status"`
	// ID is the envelope's id; of a duplicate, the first one's.
	ID            string          `json:"id"`
	Partition     int             `json:"partition"`
	RoutingKey    string          `json:"routing_key"`
	PressureLevel partition.Level `json:"pressure_level"`
	// Depth is how many envelopes the partition holds, Position the place in the
	// room's line, 1 for its head, 0 for a duplicate.
	Depth    int `json:"depth"`
	Position int `json:"position"`
	// Idempotent is true for a duplicate.
	Idempotent bool `json:"idempotent"`
	// Outcome is the first envelope's, if the duplicate came after it was settled.
	Outcome *Outcome `json:"outcome,omitempty"`
}

// ReceiptStatus is how an envelope was admitted.
type ReceiptStatus string

// The ways to be admitted.
const (
	Accepted  ReceiptStatus = "accepted"
	Duplicate ReceiptStatus = "duplicate"
)

// ticket is an envelope ready for the script: validated, routed and encoded.
type ticket struct {
	routingKey string
	partition  int
	size       int // of the JSON, in bytes
	args       [10]any
}

func newTicket(e *Envelope, s partition.Scheme, replay string) (ticket, error) {
	payload, err := e.Encode()
	if err != nil {
		return ticket{}, err
	}
	priority := e.Priority
	if priority == "" {
		priority = PriorityNormal
	}
	t := ticket{
		routingKey: e.RoutingKey(),
		partition:  s.RouteThread(e.BridgeID, e.ExternalRoomID, e.ThreadID()),
		size:       len(payload),
	}
	var key, fingerprint string
	if e.IdempotencyKey != "" {
		key, fingerprint = partition.KeyHash(t.routingKey, e.IdempotencyKey), e.Fingerprint()
	}
	t.args = [10]any{
		payload, s.Line(e.BridgeID, e.ExternalRoomID, e.ThreadID()), string(e.Operation), string(priority),
		e.BridgeID, e.Channel, key, fingerprint, replay, editOf(e),
	}
	return t, nil
}

// editOf says which message an edit changes, and whether it may take the place of an
// earlier edit of it: one that may expire unsent may not.
func editOf(e *Envelope) string {
	switch {
	case e.Operation == Edit && e.ExpiresAtMS == 0:
		return "+" + e.ExternalMessageID
	case e.Operation.IsEdit():
		return "-" + e.ExternalMessageID
	}
	return ""
}

// result is the script's answer for one envelope.
type result struct {
	receipt Receipt
	err     error
}

// admit sends envelopes of one partition to the script in one call. The error is
// of the call; each envelope has its own in results. It also answers how long the
// gateway asks its producers to pause while degraded, in milliseconds.
func admit(ctx context.Context, rdb redis.UniversalClient, s partition.Scheme, index int, tickets []ticket) ([]result, int, error) {
	call := newCall(ctx, s, index, tickets)
	_ = rdb.Process(ctx, call)
	if redis.HasErrorPrefix(call.Err(), "NOSCRIPT") {
		if err := rdb.ScriptLoad(ctx, EnqueueScript).Err(); err != nil {
			return nil, 0, callError(err)
		}
		call = newCall(ctx, s, index, tickets)
		_ = rdb.Process(ctx, call)
	}
	return call.read(tickets)
}

// once is a command that go-redis must not repeat by itself: were only the reply
// lost, a repeated enqueue would admit the envelope twice.
type once struct{ *redis.Cmd }

func (once) NoRetry() bool { return true }

// newCall is the script's call for envelopes of one partition.
func newCall(ctx context.Context, s partition.Scheme, index int, tickets []ticket) once {
	args := make([]any, 0, 6+10*len(tickets))
	args = append(args, "evalsha", enqueueSHA, 1, partition.Keys{Queue: s.Queue(index)}.Tag(), "batch/2", s.Key())
	for i := range tickets {
		args = append(args, tickets[i].args[:]...)
	}
	cmd := once{redis.NewCmd(ctx, args...)}
	cmd.SetFirstKeyPos(3)
	return cmd
}

// read reads what the script answered, as admit tells it.
func (o once) read(tickets []ticket) ([]result, int, error) {
	v, err := o.Slice()
	if err != nil {
		return nil, 0, callError(err)
	}
	if len(v) != 1+len(tickets) {
		if len(v) == 2 { // one refusal for all: nothing is configured
			return nil, 0, parseResult(fmt.Sprint(v[1]), &tickets[0]).err
		}
		return nil, 0, fmt.Errorf("enqueue: %d answers for %d envelopes", len(v)-1, len(tickets))
	}
	throttle, _ := strconv.Atoi(fmt.Sprint(v[0]))
	results := make([]result, len(tickets))
	for i := range tickets {
		line, _ := v[i+1].(string)
		results[i] = parseResult(line, &tickets[i])
	}
	return results, throttle, nil
}

// callError is the refusal that a reply of Redis is, or the error itself.
func callError(err error) error {
	var reply redis.Error
	if errors.As(err, &reply) {
		if r := ParseRefusal(reply.Error()); r != nil {
			return r
		}
	}
	return fmt.Errorf("enqueue: %w", err)
}

// parseResult reads one answer of the script, as enqueue.lua describes it.
func parseResult(line string, t *ticket) result {
	mark, rest, _ := strings.Cut(line, " ")
	r := Receipt{Partition: t.partition, RoutingKey: t.routingKey}
	var err error
	switch mark {
	case "+":
		r.Status = Accepted
		parts := strings.SplitN(rest, " ", 4)
		if len(parts) != 4 {
			return result{err: fmt.Errorf("enqueue: answer %q", line)}
		}
		var depthErr, positionErr error
		r.ID, r.PressureLevel = parts[0], partition.Level(parts[3])
		r.Depth, depthErr = strconv.Atoi(parts[1])
		r.Position, positionErr = strconv.Atoi(parts[2])
		err = errors.Join(depthErr, positionErr)
	case "=":
		r.Status, r.Idempotent = Duplicate, true
		var outcome string
		parts := strings.SplitN(rest, " ", 4)
		if len(parts) != 4 {
			return result{err: fmt.Errorf("enqueue: answer %q", line)}
		}
		r.ID, r.PressureLevel, outcome = parts[0], partition.Level(parts[2]), parts[3]
		r.Depth, err = strconv.Atoi(parts[1])
		if outcome != "" && err == nil {
			var o Outcome
			o, err = DecodeOutcome([]byte(outcome))
			r.Outcome = &o
		}
	case "-":
		if refusal := ParseRefusal(rest); refusal != nil {
			return result{err: refusal}
		}
		err = errors.New("unknown refusal")
	default:
		err = errors.New("unknown answer")
	}
	if err != nil {
		return result{err: fmt.Errorf("enqueue: answer %q: %w", line, err)}
	}
	return result{receipt: r}
}
