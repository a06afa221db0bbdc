package layout_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/layout"
)

// watch looks at a Redis again and again, and notes what it comes upon.
type watch struct {
	rdb *redis.Client

	mu     sync.Mutex
	seen   map[string]bool // patterns, and "pattern field"
	faults []string
}

// watchRedis looks until the function that it returns is called.
func watchRedis(t *testing.T, rdb *redis.Client) (*watch, func()) {
	w := &watch{rdb: rdb, seen: make(map[string]bool)}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			if err := w.look(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	})
	stop := sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(stop)
	return w, stop
}

func (w *watch) look(ctx context.Context) error {
	faults, err := layout.Check(ctx, w.rdb)
	if err != nil {
		return err
	}
	if len(faults) > 0 { // a key may be without its end for as long as a pipeline takes
		again, err := layout.Check(ctx, w.rdb)
		if err != nil {
			return err
		}
		faults = slices.DeleteFunc(faults, func(f string) bool { return !slices.Contains(again, f) })
	}
	names, err := w.rdb.Keys(ctx, "*").Result()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, faults...)
	for _, name := range names {
		k, ok := layout.Find(name)
		if !ok {
			continue
		}
		w.seen[k.Pattern] = true
		if k.Type != layout.Hash {
			continue
		}
		fields, err := w.rdb.HKeys(ctx, name).Result()
		if err != nil {
			return err
		}
		for _, f := range fields {
			w.seen[k.Pattern+" "+k.FieldOf(f)] = true
		}
	}
	return nil
}

// saw is true if it came upon a key of the same row as this one, and upon these fields.
func (w *watch) saw(name string, fields ...string) bool {
	k, ok := layout.Find(name)
	w.mu.Lock()
	defer w.mu.Unlock()
	return ok && w.seen[k.Pattern] && !slices.ContainsFunc(fields, func(f string) bool { return !w.seen[k.Pattern+" "+f] })
}

// unseen are the rows and fields that it never came upon.
func (w *watch) unseen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for pattern, k := range keys() {
		if k.Type == layout.Channel {
			continue
		}
		if !w.seen[pattern] {
			all = append(all, pattern)
			continue
		}
		for _, f := range k.Fields {
			if k.Type == layout.Hash && !w.seen[pattern+" "+f.Name] {
				all = append(all, pattern+" "+f.Name)
			}
		}
	}
	slices.Sort(all)
	return all
}

func (w *watch) wrong() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.faults)
	return slices.Compact(w.faults)
}
