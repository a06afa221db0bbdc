package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// Trace is what Redis still knows of an envelope, never the text of its message.
type Trace struct {
	NowMS int64  `json:"now_ms"`
	ID    string `json:"id"`
	// State is parked, pending, active, retry, held, dead, delivered, failed,
	// superseded or replayed.
	State     string `json:"state"`
	Partition int    `json:"partition"`
	// BridgeID and what follows to SizeBytes are empty once only the outcome is left.
	BridgeID       string          `json:"bridge_id"`
	ExternalRoomID string          `json:"external_room_id"`
	Operation      tasks.Operation `json:"operation"`
	Priority       tasks.Priority  `json:"priority"`
	Kind           string          `json:"kind"`
	SizeBytes      int             `json:"size_bytes"`
	CorrelationID  string          `json:"correlation_id"`
	// Position is its place in its line, 1 for the head; 0 where it is in none.
	Position int64 `json:"position"`
	Attempts int   `json:"attempts"`
	// Crashes counts attempts that never reported.
	Crashes int `json:"crashes"`
	// Ambiguous is true where the provider may have accepted it without our knowing.
	Ambiguous bool `json:"ambiguous"`
	// WaitsFor is what a head waits for, NextMS until when; empty and 0 otherwise.
	WaitsFor Wait  `json:"waits_for"`
	NextMS   int64 `json:"next_ms"`
	// Delivered counts the pieces that were, of an envelope of several.
	Delivered int `json:"delivered"`
	// Steps are in the order of their times; those without one come last.
	Steps   []Step         `json:"steps"`
	Outcome *tasks.Outcome `json:"outcome"`
	// DeadLetter is set where it was set aside.
	DeadLetter *Letter `json:"dead_letter"`

	// lastFailure is what asynq has of the last attempt, at a whole second.
	lastFailure  string
	lastFailedMS int64
}

// Step is something that happened to an envelope, or will.
type Step struct {
	// What is admitted, attempted, in_flight, cut_off, failed, parked, runnable,
	// waits, delivered, dead, held, replayed, superseded or settled.
	What string `json:"what"`
	// AtMS is in unix ms; 0 where Redis does not know.
	AtMS int64  `json:"at_ms"`
	Text string `json:"text"`
}

func (a *API) getEnvelope(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	return a.Trace(r.Context(), r.PathValue("id"))
}

func (a *API) findEnvelope(r *http.Request) (any, error) {
	q, err := query(r, "key", "bridge", "room", "thread")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"key", "bridge", "room"} {
		if v := q.Get(name); v == "" || len(v) > maxField {
			return nil, invalid(name, "want 1 to %d bytes: the idempotency key, its bridge and its room", maxField)
		}
	}
	id, err := a.idOf(r.Context(), q.Get("key"), q.Get("bridge"), q.Get("room"), q.Get("thread"))
	if err != nil {
		return nil, err
	}
	return a.Trace(r.Context(), id)
}

// idOf finds the envelope that used an idempotency key in a room.
func (a *API) idOf(ctx context.Context, key, bridge, room, thread string) (string, error) {
	k := partition.Keys{Queue: a.cfg.Scheme.Queue(a.cfg.Scheme.RouteThread(bridge, room, thread))}
	id, err := partition.FindKey(ctx, a.cfg.Redis, k, partition.KeyHash(bridge+":"+room, key))
	if err == nil && id == "" {
		err = &Fault{
			Status: http.StatusNotFound, Code: "not_found", Field: "key",
			Message: "no envelope of this room used the key, or it was settled longer ago than the idempotency window",
		}
	}
	return id, err
}

// record is what Redis has of an envelope.
type record struct {
	at      int64 // the clock of Redis
	journal partition.Journal
	outcome string
	dead    partition.DeadLetterRecord
	due     float64
}

// Trace is what Redis still knows of an envelope.
func (a *API) Trace(ctx context.Context, id string) (Trace, error) {
	index, err := partition.IndexOf(id)
	if err != nil || index >= a.cfg.Scheme.Count {
		return Trace{}, invalid("id", "want the id of an envelope, 007-000660dcce68e4bb for instance, of partitions 0 to %d", a.cfg.Scheme.Count-1)
	}
	v, err := a.look(ctx)
	if err != nil {
		return Trace{}, err
	}
	k := partition.Keys{Queue: a.cfg.Scheme.Queue(index)}
	rec, err := a.readRecord(ctx, k, id)
	if err != nil {
		return Trace{}, err
	}
	t := Trace{NowMS: rec.at, ID: id, Partition: index, Steps: []Step{}}
	var envelope *tasks.Envelope
	if rec.journal.State != "" {
		envelope = a.envelopeOf(k.Queue, id, &t)
	}
	if d, ok := ops.ParseDeadLetter(id, rec.dead); ok {
		letter := LetterOf(d)
		t.DeadLetter = &letter
	}
	if rec.outcome != "" {
		if o, err := tasks.DecodeOutcome([]byte(rec.outcome)); err == nil {
			t.Outcome = withoutText(o)
		}
	}
	if rec.journal.State == "" && t.DeadLetter == nil && t.Outcome == nil {
		return Trace{}, &Fault{
			Status: http.StatusNotFound, Code: "not_found", Field: "id",
			Message: "nothing is known of this envelope: it is older than results.ttl, or there never was one",
		}
	}
	if envelope != nil {
		line := a.cfg.Scheme.Line(envelope.BridgeID, envelope.ExternalRoomID, envelope.ThreadID())
		if t.Position, err = a.position(ctx, k, line, id); err != nil {
			return Trace{}, err
		}
	}
	t.describe(v, rec)
	return t, nil
}

func (a *API) readRecord(ctx context.Context, k partition.Keys, id string) (record, error) {
	pipe := a.cfg.Redis.Pipeline()
	clock, journal, dead := pipe.Time(ctx), partition.AskJournal(ctx, pipe, k, id), partition.AskDeadLetter(ctx, pipe, k, id)
	outcome, due, steps := pipe.Get(ctx, k.Outcome(id)), pipe.ZScore(ctx, k.Retry(), id), pipe.Get(ctx, k.Steps(id))
	if err := partition.Exec(ctx, pipe); err != nil {
		return record{}, fmt.Errorf("read %s: %w", id, err)
	}
	r := record{at: clock.Val().UnixMilli(), journal: journal(), outcome: outcome.Val(), dead: dead(), due: due.Val()}
	if len(r.journal.Attempts) == 0 {
		r.journal.Attempts = partition.ParseAttempts(steps.Val())
	}
	return r, nil
}

// envelopeOf reads the envelope of a task for what it says of itself; nil where it
// cannot be read.
func (a *API) envelopeOf(queue, id string, t *Trace) *tasks.Envelope {
	info, err := asynq.NewInspectorFromRedisClient(a.cfg.Redis).GetTaskInfo(queue, id)
	if err != nil {
		return nil // settled in between
	}
	e, err := tasks.DecodeEnvelope(info.Payload, max(len(info.Payload), tasks.DefaultMaxBytes))
	if err != nil {
		return nil
	}
	t.BridgeID, t.ExternalRoomID, t.Operation, t.Priority = e.BridgeID, e.ExternalRoomID, e.Operation, e.Priority
	if t.Priority == "" {
		t.Priority = tasks.PriorityNormal
	}
	t.CorrelationID = e.CorrelationID
	t.Kind, t.SizeBytes = payloadOf(info.Payload)
	if info.State == asynq.TaskStateRetry {
		t.lastFailure, t.lastFailedMS = failureOf(info.LastErr), millis(info.LastFailedAt)
	}
	return &e
}

// longestLine bounds how far a place in a line is looked for.
const longestLine = 100_000

func (a *API) position(ctx context.Context, k partition.Keys, line, id string) (int64, error) {
	head, err := a.cfg.Redis.HGet(ctx, k.Heads(), line).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return 0, fmt.Errorf("read the line of %s: %w", id, err)
	}
	if head == id {
		return 1, nil
	}
	behind, err := a.cfg.Redis.LPos(ctx, k.LineOf(line), id, redis.LPosArgs{MaxLen: longestLine}).Result()
	if err != nil {
		return 0, nil //nolint:nilerr // it is in no line, or the embedded Redis cannot tell
	}
	return behind + 2, nil
}

// withoutText leaves out what may echo the message or is the caller's own.
func withoutText(o tasks.Outcome) *tasks.Outcome {
	if s := o.Success; s != nil {
		s.Result, s.Media, s.Security, s.RouteResolution, s.SessionKey = nil, nil, nil, nil, nil
	}
	if e := o.Error; e != nil {
		e.RouteResolution, e.SessionKey = nil, nil
	}
	return &o
}
