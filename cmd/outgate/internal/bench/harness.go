package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/outgate/outgate/handlers/ledger"
)

// harness has what the measurements share: the options, the Redis, and the faults found so
// far.
type harness struct {
	Options
	store  *Store
	faults Faults
	// patience is how long a measurement may make no progress.
	patience time.Duration
}

// measurement is one measurement; each call of run is one run of it.
type measurement struct {
	name string
	run  func(h *harness, ctx context.Context, run int) (Figures, error)
}

var measurements = []measurement{
	{"delivered", (*harness).delivered},
	{"enqueue", (*harness).enqueue},
	{"idle", (*harness).idle},
	{"isolation", (*harness).isolation},
	{"flatness", (*harness).flatness},
	{"partitions", (*harness).partitions},
}

// Names lists the names of the measurements.
func Names() []string {
	names := make([]string, len(measurements))
	for i, m := range measurements {
		names[i] = m.name
	}
	return names
}

// Run runs the measurements on a Redis, which it empties before each. The result has the
// faults that the ledger found: see Result.Err.
func Run(ctx context.Context, s *Store, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	h := &harness{Options: o, store: s, patience: 30 * time.Second}
	result := newResult(s, o)
	for _, m := range measurements {
		if !o.wants(m.name) {
			continue
		}
		all := make(map[string][]float64)
		for run := range o.Runs {
			h.say("%s, run %d of %d", m.name, run+1, o.Runs)
			figures, err := m.run(h, ctx, run)
			if err != nil {
				return nil, fmt.Errorf("measure %s: %w", m.name, err)
			}
			for key, v := range figures {
				all[key] = append(all[key], v)
			}
		}
		for key, values := range all {
			if v := Median(values); !math.IsNaN(v) && !math.IsInf(v, 0) {
				result.Figures[key] = v
			}
		}
	}
	result.Faults = h.faults
	return result, nil
}

// say reports progress.
func (h *harness) say(format string, args ...any) {
	if h.Progress != nil {
		_, _ = fmt.Fprintf(h.Progress, "bench: "+format+"\n", args...)
	}
}

// check compares the record of a gateway with what it admitted.
func (h *harness) check(g *gateway, e ledger.Expect) {
	e.Rooms = g.admitted()
	h.faults.add(g.ledger.Check(e))
}

// await waits until count has reached the goal. It fails if the count does not change for
// the harness's patience.
func (h *harness) await(ctx context.Context, what string, goal int, count func() (int, error)) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	last, moved := -1, time.Now()
	for {
		n, err := count()
		if err != nil {
			return err
		}
		if n >= goal {
			return nil
		}
		if n != last {
			last, moved = n, time.Now()
		}
		if time.Since(moved) > h.patience {
			return fmt.Errorf("%w: %d of %d %s for %s", errStandstill, n, goal, what, h.patience)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

var errStandstill = errors.New("standstill")

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// each calls f in n goroutines.
func each(n int, f func(i int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
