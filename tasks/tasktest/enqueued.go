package tasktest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// Enqueued is an envelope that was admitted.
type Enqueued struct {
	tasks.Envelope
	ID string
	// Outcome is how it ended; it is zero while the envelope waits.
	Outcome tasks.Outcome
}

// Enqueued is what was admitted, by any client of the gateway's Redis, in order.
// Duplicates are not in it, nor what was refused.
func (g *Gateway) Enqueued() []Enqueued {
	g.t.Helper()
	all, err := g.enqueued(context.Background())
	if err != nil {
		g.t.Fatalf("tasktest: Enqueued: %v", err)
	}
	return all
}

func (g *Gateway) enqueued(ctx context.Context) ([]Enqueued, error) {
	if err := g.noteWaiting(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	ids := slices.SortedFunc(maps.Keys(g.known), func(a, b string) int {
		_, x, _ := strings.Cut(a, "-") // behind the partition: the time of the admission
		_, y, _ := strings.Cut(b, "-")
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
	})
	all := make([]Enqueued, len(ids))
	for i, id := range ids {
		all[i] = Enqueued{ID: id, Envelope: g.known[id]}
	}
	g.mu.Unlock()
	for i := range all {
		index, err := partition.IndexOf(all[i].ID)
		if err != nil {
			return nil, err
		}
		record, err := g.Redis.Get(ctx, partition.Keys{Queue: g.scheme.Queue(index)}.Outcome(all[i].ID)).Bytes()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err == nil {
			all[i].Outcome, err = tasks.DecodeOutcome(record)
		}
		if err != nil {
			return nil, fmt.Errorf("read the outcome of %s: %w", all[i].ID, err)
		}
	}
	return all, nil
}

// note keeps an envelope that was seen.
func (g *Gateway) note(id string, e tasks.Envelope) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known[id] = e
}

// noteWaiting notes what the worker has not taken up yet. The lists are read in the
// order in which envelopes go through them, so that none gets past.
func (g *Gateway) noteWaiting() error {
	list := []func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){
		g.inspector.ListScheduledTasks, g.inspector.ListPendingTasks, g.inspector.ListActiveTasks,
	}
	for i := range g.scheme.Count {
		for _, read := range list {
			waiting, err := read(g.scheme.Queue(i), asynq.PageSize(1<<20))
			if err != nil {
				return fmt.Errorf("read what waits: %w", err)
			}
			for _, task := range waiting {
				e, err := tasks.DecodeEnvelope(task.Payload, len(task.Payload))
				if err != nil {
					return fmt.Errorf("read envelope %s: %w", task.ID, err)
				}
				g.note(task.ID, e)
			}
		}
	}
	return nil
}

// Drain waits until nothing waits and nothing is in delivery: all that was enqueued has
// an outcome. If that takes too long, it fails the test and names what still waits.
func (g *Gateway) Drain() {
	g.t.Helper()
	if g.holds() {
		g.t.Fatalf("tasktest: Drain: the gateway is held: call Release first")
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		idle, err := g.idle(ctx)
		switch {
		case ctx.Err() != nil:
			g.t.Fatalf("tasktest: Drain: after %s this still waits:\n%s", g.patience, g.waiting(context.WithoutCancel(ctx)))
			return
		case err != nil:
			g.t.Fatalf("tasktest: Drain: %v", err)
			return
		case idle:
			if lost := g.lostBridges(); len(lost) > 0 {
				g.t.Fatalf("tasktest: Drain: the gateway has no bridge %q: give it to Start with tasktest.Bridges", lost)
			}
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (g *Gateway) holds() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

func (g *Gateway) lostBridges() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.lost))
}

// idle is true if every envelope is settled.
func (g *Gateway) idle(ctx context.Context) (bool, error) {
	now, err := partition.Read(ctx, g.Redis, g.scheme, func(int) partition.Extent { return partition.Whole })
	if err != nil {
		return false, err
	}
	for _, p := range now.Partitions {
		if p.Lines+p.Streamed > 0 {
			return false, nil
		}
	}
	return true, nil
}

// mostShown is how many rooms a failure names.
const mostShown = 10

// waiting describes what still waits, a line a room.
func (g *Gateway) waiting(ctx context.Context) string {
	rooms, err := partition.Rooms(ctx, g.Redis, g.scheme, partition.RoomsQuery{Limit: mostShown, ByAge: true})
	if err != nil {
		return err.Error()
	}
	heads := make([]string, len(rooms))
	for i, r := range rooms {
		heads[i] = r.Head
	}
	pipe := g.Redis.Pipeline()
	failures := partition.AskErrors(ctx, pipe, g.scheme, heads)
	_, _ = pipe.Exec(ctx)
	said, suspended := failures(), map[string]ops.Suspension{}
	if all, _, err := ops.ReadSuspensions(ctx, g.Redis); err == nil {
		suspended = all
	}
	_ = g.noteWaiting()
	g.mu.Lock()
	defer g.mu.Unlock()
	var lines []string
	for _, r := range rooms {
		e := g.known[r.Head]
		line := fmt.Sprintf("\t%s: %d waiting; the first, %s (%s %s), is in state %s, attempts: %d", r.Line, r.Length, r.Head, e.Operation, shown(e), r.State, r.Attempts)
		if said[r.Head] != "" {
			line += ": " + said[r.Head]
		}
		if s, ok := suspended[r.BridgeID]; ok {
			line += fmt.Sprintf("; bridge %s is suspended by the %s: %s %s", r.BridgeID, s.By, s.Reason, s.Text)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// shown is the beginning of what an envelope says, in quotes.
func shown(e tasks.Envelope) string {
	text := e.Payload.Text
	if m := e.Payload.Media; m != nil {
		text = cmp.Or(m.Caption, m.URL, m.Filename)
	}
	return fmt.Sprintf("%.40q", text)
}
