package metrics_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers/internal/metrics"
	"github.com/outgate/outgate/tasks"
)

// BenchmarkCounting measures all counting of one delivery, from many goroutines at once.
func BenchmarkCounting(b *testing.B) {
	free := make([]*atomic.Int64, 16)
	for i := range free {
		free[i] = new(atomic.Int64)
	}
	m := metrics.New(metrics.Config{Partitions: free, Concurrency: 16})
	now := time.Now()
	outcome := tasks.Outcome{Success: &tasks.Success{Attempts: 1}}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			done := m.Slots.Calling(0)
			m.QueueWait[0].Observe(.01)
			m.Attempted(metrics.Attempt{Bridge: "b", Operation: tasks.Send, Took: time.Millisecond, Timeout: time.Second})
			done()
			m.RedisCalled(now, nil)
			m.Settled("b", tasks.Send, now, outcome, nil)
		}
	})
}
