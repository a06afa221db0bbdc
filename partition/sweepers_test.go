package partition_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
)

// A ghost far back in the archive leaves the counts as they are, so that only a walk
// finds it.
func TestARoundWalksOverSixteenPartitionsThatHoldSomething(t *testing.T) {
	for _, test := range []struct {
		partitions, full int
		want             []int64 // found in each round
	}{
		{16, 16, []int64{16, 0, 0}},
		{40, 16, []int64{16, 0, 0}},
		{40, 37, []int64{16, 16, 5}},
	} {
		t.Run(fmt.Sprintf("%d of %d", test.full, test.partitions), func(t *testing.T) {
			t.Parallel()
			scheme := partition.DefaultScheme()
			scheme.Count = test.partitions
			g := newGateway(t, redistest.Start(t).Client(), func(s *partition.Setup) { s.Scheme = scheme })
			for i := range test.full {
				k := partition.Keys{Queue: scheme.Queue(i)}
				for n := range 50 {
					g.do("HSET", k.Task(fmt.Sprint(n)), "msg", "x", "state", "archived")
					g.do("ZADD", k.Asynq("archived"), n, n)
				}
			}
			sweepers := partition.NewSweepers(g.rdb, scheme, "worker", time.Minute, 0)
			round := func() (found int64) {
				told := make(map[int]bool)
				sweepers.Round(t.Context(), func(i int, swept partition.Swept, err error) {
					g.must(err)
					g.want("owned", swept.Owned, true)
					told[i] = true
					found += swept.Ghosts
				})
				g.want("told of", len(told), test.partitions)
				return found
			}
			round() // it walks over all it never saw
			round()
			for i := range test.full {
				g.do("DEL", partition.Keys{Queue: scheme.Queue(i)}.Task("40"))
			}
			for n, want := range test.want {
				g.want(fmt.Sprint("found in round ", n), round(), want)
			}
		})
	}
}
