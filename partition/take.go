package partition

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

var (
	takeScript    = script("take.lua")
	putbackScript = script("putback.lua")
)

// Taken is a runnable head that was given to this worker.
type Taken struct {
	ID string
	// Message is asynq's encoded task message.
	Message string
	// Token names the attempt that was begun with it: the envelope is fresh, and is
	// marked as in flight. It is empty if Mark has still to be asked.
	Token string
}

// lease is asynq's: how long a worker holds a task without a heartbeat.
const lease = 30 * time.Second

// Take takes up to n runnable heads. With mark it begins the first attempt of
// those that were never tried, each under a token with this prefix. After an error
// a worker that gave its name takes again with the same prefix: where Redis had
// given the heads and only the answer was lost, it gives them again.
func (l *Lines) Take(ctx context.Context, worker string, n int, prefix string, mark bool) ([]Taken, error) {
	v, err := takeScript.Run(ctx, l.rdb, l.keys, n, time.Now().Add(lease).Unix(), prefix, flag(mark), worker).Slice()
	if err != nil {
		return nil, fmt.Errorf("take: %w", err)
	}
	taken := make([]Taken, 0, len(v)/3)
	for i := 0; i+2 < len(v); i += 3 {
		taken = append(taken, Taken{ID: text(v, i), Message: text(v, i+1), Token: text(v, i+2)})
	}
	return taken, nil
}

// PutBack gives back, at the front, what was taken and not begun.
func (l *Lines) PutBack(ctx context.Context, taken []Taken) error {
	args := make([]any, 0, 2*len(taken))
	for _, t := range taken {
		args = append(args, t.ID, t.Token)
	}
	if err := putbackScript.Run(ctx, l.rdb, l.keys, args...).Err(); err != nil {
		return fmt.Errorf("put %s tasks back: %w", strconv.Itoa(len(taken)), err)
	}
	return nil
}
