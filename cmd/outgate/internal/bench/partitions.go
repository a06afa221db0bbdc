package bench

import (
	"context"
	"fmt"
	"time"
)

var partitionCounts = []size{{1, 1}, {2, 10_000}, {4, 1}, {8, 10_000}, {16, 1}, {32, 10_000}}

// farAway is the time of a send to a provider that is far away.
const farAway = 20 * time.Millisecond

// partitions drains with more and more partitions: once as fast as possible, and once with
// slow sends. If all partitions shared a bottleneck, the second rate would not grow with
// their number.
func (h *harness) partitions(ctx context.Context, _ int) (Figures, error) {
	f := Figures{}
	for _, n := range fitting(partitionCounts, h.Messages) {
		h.say("  %d partitions", n)
		cost, err := h.drain(ctx, drain{partitions: n, rooms: h.rooms(), messages: h.Messages})
		if err != nil {
			return nil, err
		}
		f[fmt.Sprintf("partitions_%d_per_s", n)] = float64(h.Messages) / cost.wall
		// This many messages take about a second.
		messages := min(h.Messages, n*h.Concurrency*int(time.Second/farAway))
		cost, err = h.drain(ctx, drain{partitions: n, rooms: min(h.Rooms, messages), messages: messages, takes: farAway})
		if err != nil {
			return nil, err
		}
		f[fmt.Sprintf("partitions_%d_slow_per_s", n)] = float64(messages) / cost.wall
	}
	f["partitions_16_over_1"] = f["partitions_16_per_s"] / f["partitions_1_per_s"]
	f["partitions_slow_16_over_1"] = f["partitions_16_slow_per_s"] / f["partitions_1_slow_per_s"]
	return f, nil
}
