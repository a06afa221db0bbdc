package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// survey finds the lines whose heads have waited longest. It does not go through all
// lines in one request: each goes on where the last one ended, and the best of this
// pass and of the one before are kept. Where there are no more lines than one request
// looks at, each request is a pass of its own.
type survey struct {
	rdb    redis.UniversalClient
	scheme partition.Scheme

	mu sync.Mutex
	// at is when it last went on.
	at time.Time
	// cursors are where each partition's scan goes on; done is true where this pass
	// has seen all of it.
	cursors []uint64
	done    []bool
	// now is the best of this pass, before those of the last whole one.
	now, before []head
	// seen counts the lines of this pass, whole those of the last whole one.
	seen, whole int64
	passes      int
}

const (
	// surveyStep is how many lines a request looks at, about.
	surveyStep = 10_000
	// surveyKeep is how many lines are kept.
	surveyKeep = maxLimit
)

// advance looks at some more lines and returns the longest-waiting that are known,
// checked: a line that went on since is known by its new head.
func (s *survey) advance(ctx context.Context, now time.Time) ([]head, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() || now.Sub(s.at) >= viewAge {
		if err := s.step(ctx); err != nil {
			return nil, 0, err
		}
		s.at = now
	}
	best := oldest(append(slices.Clone(s.now), s.before...))
	best, err := s.check(ctx, best)
	return best, max(s.seen, s.whole), err
}

func (s *survey) step(ctx context.Context) error {
	if s.cursors == nil {
		s.begin()
	}
	for looked := int64(0); looked < surveyStep; {
		n, err := s.pages(ctx)
		if err != nil {
			s.cursors = nil // a scan that was cut off begins anew
			return err
		}
		looked, s.seen = looked+n, s.seen+n
		s.now = oldest(s.now)
		if !slices.Contains(s.done, false) {
			s.before, s.now, s.whole, s.passes = s.now, nil, s.seen, s.passes+1
			s.begin()
			return nil
		}
	}
	return nil
}

func (s *survey) begin() {
	s.cursors, s.done = make([]uint64, s.scheme.Count), make([]bool, s.scheme.Count)
	s.now, s.seen = nil, 0
}

// pages reads a page of some partitions that are not done yet, in one pipeline.
func (s *survey) pages(ctx context.Context) (int64, error) {
	const page = 200
	pipe := s.rdb.Pipeline()
	replies := make(map[int]*redis.ScanCmd)
	for i, done := range s.done {
		if !done && len(replies) < 16 {
			k := partition.Keys{Queue: s.scheme.Queue(i)}
			replies[i] = pipe.HScan(ctx, k.Heads(), s.cursors[i], "", page)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, fmt.Errorf("read the lines: %w", err)
	}
	n := int64(0)
	for i, reply := range replies {
		fields, next := reply.Val()
		for j := 0; j+1 < len(fields); j += 2 {
			s.now = append(s.now, newHead(fields[j], fields[j+1]))
		}
		n += int64(len(fields) / 2)
		s.cursors[i], s.done[i] = next, next == 0
	}
	return n, nil
}

// oldest keeps the heads that were admitted first, each line once. An id is a
// partition and a time: without the partition ids sort by time.
func oldest(heads []head) []head {
	slices.SortFunc(heads, func(a, b head) int {
		return cmp.Or(cmp.Compare(a.admitted(), b.admitted()), cmp.Compare(a.line, b.line))
	})
	seen := make(map[string]bool, len(heads))
	kept := slices.DeleteFunc(heads, func(h head) bool {
		again := seen[h.line]
		seen[h.line] = true
		return again
	})
	return kept[:min(len(kept), surveyKeep)]
}

func (h head) admitted() string {
	if len(h.id) != 20 {
		return "~" // not ours: last
	}
	return h.id[4:]
}

// check asks who is at the head of these lines now, and drops those with nobody.
func (s *survey) check(ctx context.Context, heads []head) ([]head, error) {
	if len(heads) == 0 {
		return nil, nil
	}
	pipe := s.rdb.Pipeline()
	replies := make([]*redis.StringCmd, len(heads))
	for i, h := range heads {
		index, err := partition.IndexOf(h.id)
		if err != nil || index >= s.scheme.Count {
			continue
		}
		replies[i] = pipe.HGet(ctx, partition.Keys{Queue: s.scheme.Queue(index)}.Heads(), h.line)
	}
	if err := partition.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read the heads of the lines: %w", err)
	}
	current := make([]head, 0, len(heads))
	for i, r := range replies {
		if r != nil && r.Val() != "" {
			current = append(current, newHead(heads[i].line, r.Val()))
		}
	}
	return oldest(current), nil
}
