package partition

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Level is how full a partition is, in four steps.
type Level string

// The levels, in rising order.
const (
	Normal   Level = "normal"
	Warn     Level = "warn"
	Degraded Level = "degraded"
	Shed     Level = "shed"
)

// Levels lists the levels in rising order.
var Levels = [...]Level{Normal, Warn, Degraded, Shed}

// Rank is 0 for Normal to 3 for Shed; an unknown level counts as Normal.
func (l Level) Rank() int {
	for i, x := range Levels {
		if x == l {
			return i
		}
	}
	return 0
}

// levelOf is the level of a rank; an unknown one counts as Normal.
func levelOf(rank int64) Level {
	if rank < 0 || rank >= int64(len(Levels)) {
		return Normal
	}
	return Levels[rank]
}

// ReadLevels reads the levels of all partitions of a scheme, in one pipeline.
func ReadLevels(ctx context.Context, rdb redis.UniversalClient, s Scheme) ([]Level, error) {
	pipe := rdb.Pipeline()
	ranks := make([]*redis.StringCmd, s.Count)
	for i := range ranks {
		ranks[i] = pipe.HGet(ctx, Keys{Queue: s.Queue(i)}.State(), "level")
	}
	if err := Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read the pressure: %w", err)
	}
	levels := make([]Level, s.Count)
	for i, rank := range ranks {
		n, _ := rank.Int64()
		levels[i] = levelOf(n)
	}
	return levels, nil
}

// NoticeKind is what a Notice is about.
type NoticeKind string

// The kinds of notices.
const (
	NoticeRefused  NoticeKind = "refused"
	NoticePressure NoticeKind = "pressure"
)

// Notice is what scripts publish on the channel Keys.Events: a refusal or a change of
// the pressure level. A refusal writes nothing, so nothing else tells of it.
type Notice struct {
	Event     NoticeKind `json:"event"`
	Partition int        `json:"partition"`
	// Code and Priority are of a refusal. What was refused before it was read has the
	// priority "unknown".
	Code     string `json:"code,omitempty"`
	Priority string `json:"priority,omitempty"`
	// From, To, Depth and Capacity are of a change of the level.
	From     Level `json:"from,omitempty"`
	To       Level `json:"to,omitempty"`
	Depth    int   `json:"depth,omitempty"`
	Capacity int   `json:"capacity,omitempty"`
}

// ParseNotice reads a message of the channel; false if it is not one of ours.
func ParseNotice(payload string) (Notice, bool) {
	var n Notice
	err := json.Unmarshal([]byte(payload), &n)
	return n, err == nil && (n.Event == NoticeRefused || n.Event == NoticePressure) && n.Partition >= 0
}
