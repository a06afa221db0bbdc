package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition"
)

// roomUnavailable is the state of a room that nothing waits for, and that nothing
// can be delivered to.
const roomUnavailable = "unavailable"

// unavailable adds what is known of rooms that nothing can be delivered to: to those
// whose lines are shown, and after them those without a line.
func (s *session) unavailable(ctx context.Context, query partition.RoomsQuery, views []roomView) ([]roomView, error) {
	pipe := s.rdb.Pipeline()
	replies := make(map[int]*redis.MapStringStringCmd)
	for i := range s.scheme.Count {
		if len(query.Partitions) == 0 || slices.Contains(query.Partitions, i) {
			replies[i] = pipe.HGetAll(ctx, handlers.UnavailableKey(s.scheme.Queue(i)))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("read which rooms are unavailable: %w", err)
	}
	shown := make(map[string]*roomView, len(views))
	for i := range views {
		shown[views[i].Line] = &views[i]
	}
	var more []roomView
	for _, index := range slices.Sorted(maps.Keys(replies)) {
		lines := replies[index].Val()
		for _, line := range slices.Sorted(maps.Keys(lines)) {
			var u handlers.Unavailable
			if json.Unmarshal([]byte(lines[line]), &u) != nil {
				continue
			}
			if v := shown[line]; v != nil {
				v.Unavailable = &u
				v.WaitsFor += "; the room is unavailable: " + u.Text
				continue
			}
			v := roomView{Unavailable: &u, WaitsFor: "nothing: the room is unavailable: " + u.Text}
			v.Line, v.Partition, v.State = line, index, roomUnavailable
			v.BridgeID, _, _ = strings.Cut(line, ":")
			v.AgeMS = time.Now().UnixMilli() - u.SinceMS
			more = append(more, v)
		}
	}
	return append(views, more[:min(len(more), query.Limit)]...), nil
}
