package partition_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

func TestAPipelinedClientAnswersEveryCallerWithItsOwn(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		fast := partition.Pipelined(g.rdb)
		if fast == redis.UniversalClient(g.rdb) {
			g.Error("nothing is pipelined")
		}
		const rooms = 50
		lines := partition.NewLines(fast, g.keys)
		for i := range rooms {
			g.admit(strconv.Itoa(i))
		}
		var wg sync.WaitGroup
		var all sync.Map
		for range rooms {
			wg.Go(func() {
				taken, err := lines.Take(g.Context(), "", 1, "t.", true)
				if err != nil || len(taken) != 1 {
					g.Errorf("took %v, %v", ids(taken), err)
				} else if _, twice := all.LoadOrStore(taken[0].ID, true); twice {
					g.Errorf("%s was taken twice", taken[0].ID)
				}
			})
		}
		wg.Wait()
		g.want("active", len(g.set("active")), rooms)
	})
}

// plain is a client that has no pipelined form.
type plain struct{ redis.UniversalClient }

func (plain) AutoPipelineWithOptions(*redis.AutoPipelineOptions) (*redis.AutoPipeliner, error) {
	return nil, errors.New("no pipeline pool")
}

func TestAClientThatCannotIsReturnedAsItIs(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer func() { _ = rdb.Close() }()
	if c := partition.Pipelined(plain{rdb}); c != redis.UniversalClient(plain{rdb}) {
		t.Errorf("%T", c)
	}
}
