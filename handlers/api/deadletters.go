package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
)

// Letters is a page of dead letters, newest first.
type Letters struct {
	NowMS       int64    `json:"now_ms"`
	DeadLetters []Letter `json:"dead_letters"`
	// LookedAt is how many this request looked at for those that match.
	LookedAt int `json:"looked_at"`
	// Total counts all dead letters, whatever the filter.
	Total int64 `json:"total"`
	// NextCursor goes on where this page ends, also where it is empty because none
	// of those looked at matched; empty where there are no more.
	NextCursor string `json:"next_cursor"`
}

func (a *API) getLetters(r *http.Request) (any, error) {
	q, err := query(r, append([]string{"limit", "cursor"}, filterParams...)...)
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(q)
	if err != nil {
		return nil, err
	}
	filter, err := a.filterOf(q)
	if err != nil {
		return nil, err
	}
	var begin place
	if q.Has("cursor") {
		if begin, err = parsePlace(q.Get("cursor")); err != nil {
			return nil, err
		}
	}
	return a.Letters(r.Context(), filter, limit, begin)
}

// Letters are the newest dead letters that a filter chooses, behind a place.
func (a *API) Letters(ctx context.Context, f Filter, limit int, begin place) (Letters, error) {
	v, err := a.look(ctx)
	if err != nil {
		return Letters{}, err
	}
	page := Letters{NowMS: v.at.UnixMilli(), DeadLetters: []Letter{}}
	for _, s := range v.stats {
		page.Total += s.DeadLetters
	}
	from := a.newNewest(begin, f, limit)
	for page.LookedAt < mostLooked {
		places, err := from.take(ctx, max(limit, readPage))
		if err != nil || len(places) == 0 {
			page.NextCursor = ""
			return page, err
		}
		ids := make([]string, len(places))
		for i, p := range places {
			ids[i] = p.id
		}
		if err := a.letters.lookAgain(ctx, ids); err != nil {
			return page, err
		}
		found, _, err := a.letters.read(ctx, ids, len(ids))
		if err != nil {
			return page, err
		}
		byID := make(map[string]Letter, len(found))
		for _, l := range found {
			byID[l.ID] = l
		}
		for _, p := range places {
			page.LookedAt++
			page.NextCursor = p.String()
			l, ok := byID[p.id]
			l.DiedAtMS = p.at // by which they are in order; the record was written a moment before
			if ok && f.matches(l) {
				page.DeadLetters = append(page.DeadLetters, l)
			}
			if len(page.DeadLetters) == limit {
				return page, nil
			}
		}
	}
	return page, nil
}

// Group is the dead letters of one reason.
type Group struct {
	Reason   classify.Reason   `json:"reason"`
	Category classify.Category `json:"category"`
	// Count is how many of those looked at have the reason; Held and Replayed are
	// among them.
	Count    int `json:"count"`
	Held     int `json:"held"`
	Replayed int `json:"replayed"`
	// Bridges are those with the most of them, three at most.
	Bridges []string `json:"bridges"`
	// NewestMS and OldestMS are when the first and the last of them died.
	NewestMS int64 `json:"newest_ms"`
	OldestMS int64 `json:"oldest_ms"`
	// Sample is the newest of them that was not replayed, or else the newest.
	Sample Letter `json:"sample"`
}

// Groups are dead letters by reason, the largest group first.
type Groups struct {
	NowMS  int64   `json:"now_ms"`
	Groups []Group `json:"groups"`
	// LookedAt is how many dead letters are counted, the newest of each partition in
	// proportion to what it has; Total is how many there are. Where not all that are
	// to be looked at were read yet, Complete is false: the next request has more.
	LookedAt int   `json:"looked_at"`
	Total    int64 `json:"total"`
	Complete bool  `json:"complete"`
}

// mostGrouped is how many dead letters the groups are made of.
const mostGrouped = 10_000

func (a *API) getGroups(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	return a.Groups(r.Context())
}

// Groups counts the newest dead letters by reason.
func (a *API) Groups(ctx context.Context) (Groups, error) {
	v, err := a.look(ctx)
	if err != nil {
		return Groups{}, err
	}
	g := Groups{NowMS: v.at.UnixMilli(), Groups: []Group{}}
	ids, err := a.sampleLetters(ctx, v, nil)
	if err != nil {
		return g, err
	}
	for _, s := range v.stats {
		g.Total += s.DeadLetters
	}
	if err := a.letters.lookAgain(ctx, ids); err != nil {
		return g, err
	}
	found, complete, err := a.letters.read(ctx, ids, mostLooked)
	if err != nil {
		return g, err
	}
	g.LookedAt, g.Complete, g.Groups = len(found), complete, groupsOf(found)
	return g, nil
}

// sampleLetters are the newest dead letters of each partition, in proportion to what
// it has; all of them where there are no more than mostGrouped.
func (a *API) sampleLetters(ctx context.Context, v *view, index *int) ([]string, error) {
	total := int64(0)
	for i, s := range v.stats {
		if index == nil || *index == i {
			total += s.DeadLetters
		}
	}
	pipe := a.cfg.Redis.Pipeline()
	var replies []*redis.StringSliceCmd
	for i, s := range v.stats {
		if s.DeadLetters == 0 || index != nil && *index != i {
			continue
		}
		share := s.DeadLetters
		if total > mostGrouped {
			share = max(1, s.DeadLetters*mostGrouped/total)
		}
		replies = append(replies, pipe.ZRevRange(ctx, partition.Keys{Queue: s.Queue}.Dead(), 0, share-1))
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read the dead letters: %w", err)
	}
	var ids []string
	for _, r := range replies {
		ids = append(ids, r.Val()...)
	}
	return ids, nil
}

func groupsOf(found []Letter) []Group {
	byReason, bridges := make(map[classify.Reason]*Group), make(map[classify.Reason]map[string]int)
	for _, l := range found {
		g := byReason[l.Reason]
		if g == nil {
			g = &Group{Reason: l.Reason, Category: l.Category, OldestMS: l.DiedAtMS, Sample: l}
			byReason[l.Reason], bridges[l.Reason] = g, make(map[string]int)
		}
		g.Count++
		if l.Held {
			g.Held++
		}
		if l.ReplayedAs != "" {
			g.Replayed++
		}
		g.NewestMS, g.OldestMS = max(g.NewestMS, l.DiedAtMS), min(g.OldestMS, l.DiedAtMS)
		open, sampleOpen := l.ReplayedAs == "", g.Sample.ReplayedAs == ""
		if open && !sampleOpen || open == sampleOpen && l.DiedAtMS > g.Sample.DiedAtMS {
			g.Sample = l
		}
		bridges[l.Reason][l.BridgeID]++
	}
	groups := make([]Group, 0, len(byReason))
	for reason, g := range byReason {
		g.Bridges = mostOften(bridges[reason], 3)
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(x, y Group) int {
		return cmp.Or(cmp.Compare(y.Count-y.Replayed, x.Count-x.Replayed), cmp.Compare(y.Count, x.Count), cmp.Compare(x.Reason, y.Reason))
	})
	return groups
}

// mostOften are the n names that were counted most.
func mostOften(counts map[string]int, n int) []string {
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int { return cmp.Or(cmp.Compare(counts[y], counts[x]), cmp.Compare(x, y)) })
	return names[:min(n, len(names))]
}
