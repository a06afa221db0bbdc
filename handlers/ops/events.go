package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// tellPatience is how long Redis may take to write an event down: whoever tells has
// better things to do.
const tellPatience = time.Second

// EventKind is what an event is about.
type EventKind string

// The kinds of events. A worker that was killed tells nothing.
const (
	BridgeSuspended EventKind = "bridge.suspended"
	BridgeResumed   EventKind = "bridge.resumed"
	// ProbeFailed is told once an hour of a bridge: it is probed four times a minute.
	ProbeFailed        EventKind = "bridge.probe_failed"
	PressureChanged    EventKind = "pressure.changed"
	WorkerJoined       EventKind = "worker.joined"
	WorkerLeft         EventKind = "worker.left"
	DeadLettersReplay  EventKind = "dead_letters.replay"
	DeadLettersDropped EventKind = "dead_letters.drop"
)

// Event is something rare that an operator may want to know of afterwards.
type Event struct {
	// AtMS is when it was told, in unix ms by the clock of Redis.
	AtMS int64     `json:"at_ms"`
	What EventKind `json:"what"`
	// About is what it happened to: a bridge, a queue, a worker, or which dead letters.
	About string `json:"about"`
	// By is "gateway" or "operator".
	By string `json:"by"`
	// Text is more of it, for people.
	Text string `json:"text"`
}

// Tell keeps an event. Whatever it tells of has happened, told or not.
func Tell(ctx context.Context, rdb redis.UniversalClient, e Event) error {
	record, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("tell of an event: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellPatience)
	defer cancel()
	pipe := rdb.Pipeline()
	pipe.XAdd(ctx, &redis.XAddArgs{
		Stream: partition.EventsKey, MaxLen: partition.MostEvents, Values: []any{partition.EventField, record},
	})
	pipe.PExpire(ctx, partition.EventsKey, partition.EventsTTL)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("tell of an event: %w", err)
	}
	return nil
}

// Events are the latest events, at most limit of them, newest first.
func Events(ctx context.Context, rdb redis.UniversalClient, limit int) ([]Event, error) {
	entries, err := rdb.XRevRangeN(ctx, partition.EventsKey, "+", "-", int64(limit)).Result()
	if err != nil {
		return nil, fmt.Errorf("read the events: %w", err)
	}
	events := make([]Event, 0, len(entries))
	for _, entry := range entries {
		var e Event
		record, _ := entry.Values[partition.EventField].(string)
		if json.Unmarshal([]byte(record), &e) != nil {
			continue
		}
		at, _, _ := strings.Cut(entry.ID, "-")
		e.AtMS, _ = strconv.ParseInt(at, 10, 64)
		events = append(events, e)
	}
	return events, nil
}
