package bench

import (
	"context"
	"math"
	"runtime"
	"strconv"
	"time"
)

// meter is a reading of the clock and of the CPU time used so far, in seconds. A value that
// is unknown is NaN, and so is every figure that needs it.
type meter struct {
	at             time.Time
	process, redis float64
}

// spent is the difference of two readings, in seconds.
type spent struct{ wall, process, redis float64 }

// begin collects garbage and reads the meter.
func (s *Store) begin(ctx context.Context) meter {
	runtime.GC()
	return s.read(ctx)
}

func (s *Store) read(ctx context.Context) meter {
	return meter{redis: s.redisCPU(ctx), process: processCPU(), at: time.Now()}
}

// since is the time spent since an earlier reading.
func (s *Store) since(ctx context.Context, m meter) spent {
	now := meter{at: time.Now(), process: processCPU(), redis: s.redisCPU(ctx)}
	return spent{wall: now.at.Sub(m.at).Seconds(), process: now.process - m.process, redis: now.redis - m.redis}
}

func (s spent) plus(t spent) spent {
	return spent{wall: s.wall + t.wall, process: s.process + t.process, redis: s.redis + t.redis}
}

// micros is the cost of one of n messages, in microseconds.
func micros(seconds float64, n int) float64 { return seconds * 1e6 / float64(n) }

// redisCPU is the CPU time that Redis has used, in seconds.
func (s *Store) redisCPU(ctx context.Context) float64 {
	return s.sum(ctx, "cpu", "used_cpu_sys", "used_cpu_user")
}

// memory is the memory that Redis uses, in bytes.
func (s *Store) memory(ctx context.Context) float64 { return s.sum(ctx, "memory", "used_memory") }

// sum adds numbers of Redis' INFO. It is NaN if one is missing, and for the embedded Redis,
// whose numbers would be those of this process.
func (s *Store) sum(ctx context.Context, section string, names ...string) float64 {
	if s.Kind == Embedded {
		return math.NaN()
	}
	fields, total := s.info(ctx, section), 0.0
	for _, name := range names {
		v, err := strconv.ParseFloat(fields[name], 64)
		if err != nil {
			return math.NaN()
		}
		total += v
	}
	return total
}
