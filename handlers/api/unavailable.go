package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
)

// UnavailableRoom is a room that nothing can be delivered to.
type UnavailableRoom struct {
	Line      string `json:"line"`
	BridgeID  string `json:"bridge_id"`
	Partition int    `json:"partition"`
	Text      string `json:"text"`
	SinceMS   int64  `json:"since_ms"`
}

// Unavailable are the rooms that cannot be reached, those of longest ago first, and how
// many there are; of one partition where index is not negative. Each partition keeps a
// thousand at most; a page of each is read until there are enough.
func (a *API) Unavailable(ctx context.Context, limit, index int) ([]UnavailableRoom, int64, error) {
	pipe := a.cfg.Redis.Pipeline()
	counts := make([]*redis.IntCmd, a.cfg.Scheme.Count)
	for i := range counts {
		if index < 0 || i == index {
			counts[i] = pipe.HLen(ctx, partition.Keys{Queue: a.cfg.Scheme.Queue(i)}.Unavailable())
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, 0, fmt.Errorf("count the unavailable rooms: %w", err)
	}
	rooms, total := []UnavailableRoom{}, int64(0)
	pages := make(map[int]*redis.ScanCmd)
	for i, count := range counts {
		if count == nil || count.Val() == 0 {
			continue
		}
		if total < int64(limit) {
			pages[i] = pipe.HScan(ctx, partition.Keys{Queue: a.cfg.Scheme.Queue(i)}.Unavailable(), 0, "", int64(limit))
		}
		total += count.Val()
	}
	if len(pages) == 0 {
		return rooms, total, nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, 0, fmt.Errorf("read the unavailable rooms: %w", err)
	}
	for i, page := range pages {
		fields, _ := page.Val()
		for j := 0; j+1 < len(fields); j += 2 {
			u, _ := unavailableIn(fields[j+1])
			bridge, _, _ := strings.Cut(fields[j], ":")
			rooms = append(rooms, UnavailableRoom{
				Line: fields[j], BridgeID: bridge, Partition: i, Text: u.Text, SinceMS: u.SinceMS,
			})
		}
	}
	slices.SortFunc(rooms, func(x, y UnavailableRoom) int {
		return cmp.Or(cmp.Compare(x.SinceMS, y.SinceMS), cmp.Compare(x.Line, y.Line))
	})
	return rooms[:min(limit, len(rooms))], total, nil
}

// unavailableIn reads a record of why nothing can be delivered to a room.
func unavailableIn(record string) (ops.Unavailable, bool) {
	var u ops.Unavailable
	err := json.Unmarshal([]byte(record), &u)
	return u, err == nil
}
