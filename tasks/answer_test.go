package tasks_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

func TestGarbledAnswerIsAnError(t *testing.T) {
	const fine = "+ 000-0000000000000001 1 1 normal"
	tests := map[string][]string{
		"no answer":                        {"0"},
		"an answer too many":               {"0", fine, fine},
		"an unknown mark":                  {"0", "? x"},
		"an empty answer":                  {"0", ""},
		"a receipt that is short":          {"0", "+ 000-0000000000000001 1"},
		"a depth that is no number":        {"0", "+ 000-0000000000000001 one 1 normal"},
		"a position that is none":          {"0", "+ 000-0000000000000001 1 first normal"},
		"a duplicate that is short":        {"0", "= 000-0000000000000001 1"},
		"a duplicate of an odd depth":      {"0", "= 000-0000000000000001 one normal "},
		"a duplicate with broken outcome":  {"0", "= 000-0000000000000001 1 normal {"},
		"a refusal nobody knows":           {"0", "- OUTGATE_OTHER x"},
		"a throttle that is no number":     {"x", fine},
		"and one that is fine, to compare": {"0", fine},
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			m, rdb := redistest.Mini(t)
			announce(t, rdb)
			m.Server().SetPreHook(func(p *server.Peer, cmd string, _ ...string) bool {
				if cmd != "EVALSHA" {
					return false
				}
				p.WriteStrings(answer)
				return true
			})
			r, err := newClient(t, rdb).Enqueue(t.Context(), message("1", "x"))
			if wantErr := answer[len(answer)-1] != fine || len(answer) != 2; (err != nil) != wantErr {
				t.Errorf("%+v, %v", r, err)
			}
			if refusal := new(*tasks.Refusal); errors.As(err, refusal) {
				t.Errorf("it is the refusal %v", *refusal)
			}
		})
	}
}

func TestErrorRepliesOfRedisAreTold(t *testing.T) {
	for reply, is := range map[string]error{
		"OOM command not allowed when used memory > 'maxmemory'.": tasks.ErrQueueFull,
		"OUTGATE_NOT_READY x":           tasks.ErrNotReady,
		"READONLY You can't write here": nil,
	} {
		m, _ := redistest.Mini(t)
		rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), MaxRetries: -1, DisableIdentity: true})
		closeAfter(t, rdb)
		announce(t, rdb)
		m.Server().SetPreHook(func(p *server.Peer, cmd string, _ ...string) bool {
			if cmd == "EVALSHA" {
				p.WriteError(reply)
			}
			return cmd == "EVALSHA"
		})
		_, err := newClient(t, rdb).Enqueue(t.Context(), message("1", "x"))
		refusal := new(*tasks.Refusal)
		if err == nil || is != nil && !errors.Is(err, is) || is == nil && (errors.As(err, refusal) || !strings.Contains(err.Error(), reply)) {
			t.Errorf("%s: %v", reply, err)
		}
	}
}

func TestRedisThatIsAwayIsNoRefusal(t *testing.T) {
	m, _ := redistest.Mini(t)
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), MaxRetries: -1, DialerRetries: 1, DisableIdentity: true})
	closeAfter(t, rdb)
	worker := gatewaytest.On(t, rdb, setup()).Announce().NewWorker()
	c := newClient(t, rdb)
	r := enqueue(t, c, message("1", "x"))
	m.Close()
	_, enqueueErr := c.Enqueue(t.Context(), message("1", "x"))
	_, replayErr := c.Replay(t.Context(), r.ID, message("1", "x"))
	_, batchErr := c.EnqueueBatch(t.Context(), slicesOf(message("1", "x"), 2))
	_, _, outcomeErr := c.Outcome(t.Context(), r.ID)
	_, freshErr := newClient(t, rdb).EnqueueBatch(t.Context(), slicesOf(message("1", "x"), 2))
	for name, err := range map[string]error{
		"Enqueue": enqueueErr, "Replay": replayErr, "EnqueueBatch": batchErr, "Outcome": outcomeErr,
		"EnqueueBatch of a new client": freshErr, "Announce": worker.Announce(t.Context()),
	} {
		if refusal := new(*tasks.Refusal); err == nil || errors.As(err, refusal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
