package bench

import (
	"context"
	"math"
	"runtime"
	"strconv"
	"time"
)

// meter is a reading of the clock and of the CPU time used so far, in seconds.
// What cannot be known is NaN, and so is every figure that comes of it.
type meter struct {
	at             time.Time
	process, redis float64
}

// spent is what lies between two readings, in seconds.
type spent struct{ wall, process, redis float64 }

// begin collects the garbage of what came before, and reads the meter.
func (s *Store) begin(ctx context.Context) meter {
	runtime.GC()
	return s.read(ctx)
}

func (s *Store) read(ctx context.Context) meter {
	return meter{redis: s.redisCPU(ctx), process: processCPU(), at: time.Now()}
}

// since is what was spent since an earlier reading.
func (s *Store) since(ctx context.Context, m meter) spent {
	now := meter{at: time.Now(), process: processCPU(), redis: s.redisCPU(ctx)}
	return spent{wall: now.at.Sub(m.at).Seconds(), process: now.process - m.process, redis: now.redis - m.redis}
}

func (s spent) plus(t spent) spent {
	return spent{wall: s.wall + t.wall, process: s.process + t.process, redis: s.redis + t.redis}
}

// micros is what one of n cost of a part, in microseconds.
func micros(seconds float64, n int) float64 { return seconds * 1e6 / float64(n) }

// redisCPU is the CPU time Redis has used, in seconds.
func (s *Store) redisCPU(ctx context.Context) float64 {
	return s.sum(ctx, "cpu", "used_cpu_sys", "used_cpu_user")
}

// memory is how many bytes Redis holds.
func (s *Store) memory(ctx context.Context) float64 { return s.sum(ctx, "memory", "used_memory") }

// sum adds up numbers that Redis tells of itself. It is NaN where there is none;
// the embedded one's would be this process's own.
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
