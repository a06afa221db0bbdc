package partition_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
)

// whats are the tries that are noted of an envelope, and what became of them.
func (g *gateway) whats(steps string) string {
	g.Helper()
	noted := regexp.MustCompile(`\d{13} (\d+) (\w+);`)
	if rest := noted.ReplaceAllString(steps, ""); rest != "" {
		g.Errorf("left over %q", rest)
	}
	return strings.TrimSpace(noted.ReplaceAllString(steps, "$1 $2 "))
}

func TestStepsOutliveTheirTask(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		for _, kind := range []partition.Kind{partition.Done, partition.Dead, partition.Hold} {
			id := g.admit("r")
			g.mark(id, "r", "one")
			g.suspend(id, "one", partition.Suspension{What: "timeout"})
			g.mark(id, "r", "two")
			g.suspend(id, "two", partition.Suspension{Refund: true, What: "rate_limited"})
			g.mark(id, "r", "three")
			g.mark(id, "r", "four")
			g.suspend(id, "four", partition.Suspension{Progress: "{}"})
			g.finish(id, "r", "four", kind)
			g.want(string(kind), g.whats(g.rdb.Get(g.Context(), g.keys.Steps(id)).Val()), "1 timeout 2 rate_limited 2 cut_off")
			if ttl := g.rdb.PTTL(g.Context(), g.keys.Steps(id)).Val(); ttl <= 0 {
				g.Errorf("%s: kept for %s", kind, ttl)
			}
		}
	})
}

func TestTheLatestStepsAreKept(t *testing.T) {
	g := newGateway(t, redistest.Start(t).Client())
	id := g.admit("r")
	for range 100 {
		g.mark(id, "r", "again")
		g.suspend(id, "again", partition.Suspension{What: "timeout", Wait: time.Nanosecond})
		g.do("HDEL", g.keys.Task(id), "og_until", "og_reported")
	}
	steps := g.field(g.keys.Task(id), "og_steps")
	if got := g.whats(steps); !strings.HasSuffix(got, "99 timeout 100 timeout") || len(steps) > 512 || len(steps) < 480 {
		t.Errorf("%d bytes: %s", len(steps), got)
	}
}
