package bench

import (
	"context"
	"fmt"
)

// size is a size of the flatness measurement; it is measured if Options.Messages is at least
// from.
type size struct{ n, from int }

var (
	waitingSizes = []size{{1000, 1000}, {10_000, 10_000}, {100_000, 50_000}}
	roomSizes    = []size{{1, 1}, {100, 100}, {10_000, 10_000}, {100_000, 50_000}}
)

// million is the waiting size that Options.Long adds.
const million = 1_000_000

// flatness measures the cost of a message with few and with many waiting, in few and in many
// rooms, and the memory of Redis that a waiting message takes.
func (h *harness) flatness(ctx context.Context, _ int) (Figures, error) {
	f := Figures{}
	if err := h.flatWaiting(ctx, f); err != nil {
		return nil, err
	}
	return f, h.flatRooms(ctx, f)
}

func (h *harness) flatWaiting(ctx context.Context, f Figures) error {
	sizes := fitting(waitingSizes, h.Messages)
	if h.Long {
		sizes = append(sizes, million)
	}
	var walls, cpus []float64
	for _, n := range sizes {
		var filled float64
		d := drain{partitions: h.Partitions, rooms: min(h.Rooms, n), messages: n, warm: true}
		d.load = func(load func() error) error {
			empty := h.store.memory(ctx)
			err := load()
			filled = h.store.memory(ctx) - empty
			return err
		}
		wall, cpu, err := h.cost(ctx, d, f, fmt.Sprintf("waiting_%d", n))
		if err != nil {
			return err
		}
		walls, cpus = append(walls, wall), append(cpus, cpu)
		if n <= 100_000 {
			f["waiting_envelope_bytes"] = envelopeBytes(d.rooms, n)
			f["memory_per_waiting_bytes"] = filled/float64(n) - f["waiting_envelope_bytes"]
		}
	}
	f["waiting_wall_ratio"], f["waiting_cpu_ratio"] = spread(walls), spread(cpus)
	return nil
}

func (h *harness) flatRooms(ctx context.Context, f Figures) error {
	var walls, cpus []float64
	for _, n := range fitting(roomSizes, h.Messages) {
		d := drain{partitions: h.Partitions, rooms: n, messages: max(n, min(h.Messages, 20_000)), warm: true}
		wall, cpu, err := h.cost(ctx, d, f, fmt.Sprintf("rooms_%d", n))
		if err != nil {
			return err
		}
		cpus = append(cpus, cpu)
		if n > 1 { // in one room, the wall time is that of the round trips
			walls = append(walls, wall)
		}
	}
	f["rooms_wall_ratio"], f["rooms_cpu_ratio"] = spread(walls), spread(cpus)
	return nil
}

// cost is the cost of one message of a drain, in microseconds of wall time and of CPU time of
// this process and Redis. A short drain is repeated.
func (h *harness) cost(ctx context.Context, d drain, f Figures, key string) (wall, cpu float64, err error) {
	h.say("  %d messages in %d rooms", d.messages, d.rooms)
	var total metered
	for range max(1, min(h.Messages, 10_000)/d.messages) {
		m, err := h.metered(ctx, d)
		if err != nil {
			return 0, 0, err
		}
		total.spent, total.messages = total.plus(m.spent), total.messages+m.messages
	}
	wall, cpu = micros(total.wall, total.messages), micros(total.process+total.redis, total.messages)
	f[key+"_wall_us"], f[key+"_cpu_us"] = wall, cpu
	return wall, cpu, nil
}

func fitting(sizes []size, messages int) []int {
	var fit []int
	for _, s := range sizes {
		if messages >= s.from {
			fit = append(fit, s.n)
		}
	}
	return fit
}

// envelopeBytes is the average length of the JSON of n envelopes in that many rooms.
func envelopeBytes(rooms, n int) float64 {
	total := 0
	for _, hand := range deal(newRooms(rooms), n) {
		for e := range hand {
			payload, _ := e.Encode()
			total += len(payload)
		}
	}
	return float64(total) / float64(n)
}
