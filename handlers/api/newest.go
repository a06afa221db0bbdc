package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// place is where a dead letter stands: by the time of its death, then by its id.
type place struct {
	at int64
	id string
}

// after orders places newest first.
func after(a, b place) int { return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(b.id, a.id)) }

func (p place) String() string { return strconv.FormatInt(p.at, 10) + "." + p.id }

func parsePlace(s string) (place, error) {
	at, id, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(at, 10, 64)
	if _, bad := partition.IndexOf(id); err != nil || bad != nil {
		return place{}, invalid("cursor", "is not one that this API gave")
	}
	return place{n, id}, nil
}

// stream gives the dead letters of one partition, newest first, a window at a time.
type stream struct {
	key    string
	window []place
	ended  bool
	// since is the earliest it gives.
	since int64
	// size is how many it reads at once.
	size int64
	// last is the place it gave last, or was told to begin behind.
	last place
}

// newest merges the streams of partitions.
type newest struct {
	rdb     redis.UniversalClient
	streams []*stream
}

// newNewest begins behind a place; the zero place begins with the newest of all.
func (a *API) newNewest(begin place, f Filter, want int) *newest {
	n := &newest{rdb: a.cfg.Redis}
	for i := range a.cfg.Scheme.Count {
		if f.Partition == nil || *f.Partition == i {
			n.streams = append(n.streams, &stream{
				key: partition.Keys{Queue: a.cfg.Scheme.Queue(i)}.Dead(), last: begin, since: f.SinceMS,
			})
		}
	}
	for _, s := range n.streams {
		s.size = int64(min(max(2*want/len(n.streams), 20), mostLooked))
	}
	return n
}

// take gives the next ids, at most count; none where there are no more.
func (n *newest) take(ctx context.Context, count int) ([]place, error) {
	var taken []place
	for len(taken) < count {
		if err := n.fill(ctx); err != nil {
			return nil, err
		}
		var best *stream
		for _, s := range n.streams {
			if len(s.window) > 0 && (best == nil || after(s.window[0], best.window[0]) < 0) {
				best = s
			}
		}
		if best == nil {
			return taken, nil
		}
		taken, best.last, best.window = append(taken, best.window[0]), best.window[0], best.window[1:]
	}
	return taken, nil
}

// fill reads on where a window is used up.
func (n *newest) fill(ctx context.Context) error {
	for {
		pipe := n.rdb.Pipeline()
		asked := make(map[*stream]*redis.ZSliceCmd)
		for _, s := range n.streams {
			if len(s.window) == 0 && !s.ended {
				asked[s] = s.ask(ctx, pipe)
			}
		}
		if len(asked) == 0 {
			return nil
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("read the dead letters: %w", err)
		}
		for s, reply := range asked {
			s.take(reply.Val())
		}
	}
}

func (s *stream) ask(ctx context.Context, pipe redis.Pipeliner) *redis.ZSliceCmd {
	start := "+inf"
	if s.last != (place{}) {
		start = strconv.FormatInt(s.last.at, 10)
	}
	return pipe.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
		Key: s.key, Start: start, Stop: strconv.FormatInt(s.since, 10), ByScore: true, Rev: true, Count: s.size,
	})
}

// take keeps what is behind the last place. Where a whole window died in the same
// millisecond as it, the next one is larger.
func (s *stream) take(found []redis.Z) {
	s.ended = int64(len(found)) < s.size
	for _, z := range found {
		id, _ := z.Member.(string)
		if p := (place{int64(z.Score), id}); s.last == (place{}) || after(s.last, p) < 0 {
			s.window = append(s.window, p)
		}
	}
	if len(s.window) == 0 {
		s.size *= 4
	}
	slices.SortFunc(s.window, after)
}
