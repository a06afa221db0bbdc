package partition_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
)

// errors is what AskErrors finds.
func (g *gateway) errors(ids ...string) map[string]string {
	g.Helper()
	pipe := g.rdb.Pipeline()
	texts := partition.AskErrors(g.Context(), pipe, g.setup.Scheme, ids)
	_, err := pipe.Exec(g.Context())
	g.must(err)
	return texts()
}

func TestErrorsAreReadOutOfAsynqsMessages(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		// Its payload has bytes that look like the error's field, and it has a key, so
		// that other fields stand between.
		failed := g.admit("r", `"correlation_id":":::bad"`, `"idempotency_key":"k"`)
		g.mark(failed, "r", "one")
		g.finish(failed, "r", "one", partition.Dead)
		long := g.admit("s", `"correlation_id":"`+strings.Repeat("x", 200)+`"`)
		g.mark(long, "s", "one")
		settled := settlement(long, partition.Hold)
		settled.Text = strings.Repeat("0123456789", 100)
		_, err := g.lines.Finish(g.Context(), long, line("s"), "one", settled)
		g.must(err)
		fresh, gone := g.admit("t"), "000-0000000000000001"
		g.do("HSET", g.keys.Task("000-0000000000000002"), "msg", "\x3a\x05bad")
		g.do("HSET", g.keys.Task("000-0000000000000003"), "msg", "\x33\x00\x3a\x03bad")
		got := g.errors(failed, long, fresh, gone, "000-0000000000000002", "000-0000000000000003", "no id", "001-0000000000000001")
		want := map[string]string{
			failed: "rejected: no such room", long: settled.Text[:300], fresh: "", gone: "",
			"000-0000000000000002": "bad", "000-0000000000000003": "",
		}
		if len(got) != len(want) {
			g.Errorf("got %d texts, want %d: %q", len(got), len(want), got)
		}
		for id, text := range want {
			if got[id] != text {
				g.Errorf("the error of %s is %q, want %q", id, got[id], text)
			}
		}
	})
}

func TestNoErrorsAreAskedOfNobody(t *testing.T) {
	g := newGateway(t, redistest.Embedded(t))
	pipe := g.rdb.Pipeline()
	texts := partition.AskErrors(t.Context(), pipe, g.setup.Scheme, nil)
	if pipe.Len() != 0 || len(texts()) != 0 {
		t.Errorf("%d calls and %v, want none", pipe.Len(), texts())
	}
}
