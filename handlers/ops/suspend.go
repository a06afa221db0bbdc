package ops

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
)

// Suspension says why a bridge's heads are held.
type Suspension struct {
	// By is ByGateway after fatal errors in a row, or ByOperator.
	By     string          `json:"by"`
	Reason classify.Reason `json:"reason,omitempty"`
	Text   string          `json:"text,omitempty"`
	// SinceMS is in unix milliseconds.
	SinceMS int64 `json:"since_ms"`
}

// Who suspends a bridge, and who an event is by.
const (
	ByGateway  = "gateway"
	ByOperator = "operator"
)

// ReadSuspensions reads the suspended bridges, and which bridges have a row of fatal
// errors. A record that cannot be read is left out.
func ReadSuspensions(ctx context.Context, rdb redis.UniversalClient) (suspended map[string]Suspension, fatals map[string]bool, err error) {
	pipe := rdb.Pipeline()
	records, rows := pipe.HGetAll(ctx, partition.SuspendedKey), pipe.HGetAll(ctx, partition.FatalsKey)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, nil, fmt.Errorf("read the suspended bridges: %w", err)
	}
	suspended, fatals = make(map[string]Suspension), make(map[string]bool)
	for id, record := range records.Val() {
		var s Suspension
		if json.Unmarshal([]byte(record), &s) == nil {
			suspended[id] = s
		}
	}
	for id := range rows.Val() {
		fatals[id] = true
	}
	return suspended, fatals, nil
}

// SuspendBridge holds the heads of a bridge on all workers, within a second. It
// answers false if the bridge was suspended before. Whoever suspends it again does not
// begin anew, and need not say why again.
func SuspendBridge(ctx context.Context, rdb redis.UniversalClient, bridge string, s Suspension) (bool, error) {
	var before Suspension
	if text, err := rdb.HGet(ctx, partition.SuspendedKey, bridge).Result(); err == nil &&
		json.Unmarshal([]byte(text), &before) == nil && before.By == s.By {
		s.SinceMS, s.Text = before.SinceMS, cmp.Or(s.Text, before.Text)
	}
	record, err := json.Marshal(s)
	if err != nil {
		return false, fmt.Errorf("suspend %s: %w", bridge, err)
	}
	n, err := rdb.HSet(ctx, partition.SuspendedKey, bridge, record).Result()
	if err != nil {
		return false, fmt.Errorf("suspend %s: %w", bridge, err)
	}
	// It is suspended whether or not the event is kept.
	_ = Tell(ctx, rdb, Event{What: BridgeSuspended, About: bridge, By: s.By, Text: s.Text})
	return n == 1, nil
}

// ResumeBridge lets the heads of a bridge go again.
func ResumeBridge(ctx context.Context, rdb redis.UniversalClient, bridge string) error {
	resumed, err := EndSuspension(ctx, rdb, bridge)
	if resumed {
		_ = Tell(ctx, rdb, Event{What: BridgeResumed, About: bridge, By: ByOperator})
	}
	return err
}

// EndSuspension is ResumeBridge without an event. It answers whether the bridge was
// suspended.
func EndSuspension(ctx context.Context, rdb redis.UniversalClient, bridge string) (bool, error) {
	pipe := rdb.Pipeline()
	suspended := pipe.HDel(ctx, partition.SuspendedKey, bridge)
	pipe.HDel(ctx, partition.FatalsKey, bridge)
	pipe.Del(ctx, partition.ProbeKey(bridge))
	pipe.Del(ctx, partition.ProbeToldKey(bridge))
	if _, err := pipe.Exec(ctx); err != nil {
		return false, fmt.Errorf("resume %s: %w", bridge, err)
	}
	return suspended.Val() > 0, nil
}
