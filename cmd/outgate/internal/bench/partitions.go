package bench

import (
	"context"
	"fmt"
)

var partitionCounts = []int{1, 2, 4, 8, 16, 32}

// partitions drains the same load with more and more partitions. Were there
// anything that all of them share, the rate would not grow.
func (h *harness) partitions(ctx context.Context, _ int) (Figures, error) {
	f := Figures{}
	for _, n := range partitionCounts {
		h.say("  %d partitions", n)
		cost, err := h.drain(ctx, drain{partitions: n, rooms: h.rooms(), messages: h.Messages})
		if err != nil {
			return nil, err
		}
		f[fmt.Sprintf("partitions_%d_per_s", n)] = float64(h.Messages) / cost.wall
	}
	f["partitions_16_over_1"] = f["partitions_16_per_s"] / f["partitions_1_per_s"]
	return f, nil
}
