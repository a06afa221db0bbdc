package handlers

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// Sender is sender.
var Sender = sender

// IdlePoll is idlePoll.
const IdlePoll = idlePoll

// Door is a door by itself, without asynq.
type Door struct {
	*door
	keys func(index int) partition.Keys
}

// NewDoor makes one.
func NewDoor(rdb redis.UniversalClient, cfg Config) Door {
	n := 0
	name := func() string {
		n++
		return "test-" + strconv.Itoa(n)
	}
	return Door{newDoor(rdb, cfg, "worker", name), func(i int) partition.Keys { return partition.Keys{Queue: cfg.Scheme.Queue(i)} }}
}

// Fetch asks as asynq's dequeue does, once; it is empty where there is nothing.
func (d Door) Fetch(index int) string {
	message, _ := d.Dequeue(index).Text()
	return message
}

// Dequeue asks as asynq's dequeue does.
func (d Door) Dequeue(index int) *redis.Cmd {
	k := d.keys(index)
	return d.EvalSha(context.Background(), "dequeue", []string{k.Asynq("pending"), k.Asynq("paused"), k.Asynq("active"), k.Asynq("lease")})
}

// Done tells as asynq does of a task that it is finished with.
func (d Door) Done(index int, id string) *redis.Cmd {
	k := d.keys(index)
	return d.EvalSha(context.Background(), "done", []string{k.Asynq("active"), k.Asynq("lease"), k.Task(id)})
}

// Forward moves on as asynq's forwarder does.
func (d Door) Forward(index int) *redis.Cmd {
	k := d.keys(index)
	return d.EvalSha(context.Background(), "forward", []string{k.Asynq("retry"), k.Asynq("pending")})
}

// ForwardScheduled moves on as asynq's forwarder does what somebody scheduled.
func (d Door) ForwardScheduled(index int) *redis.Cmd {
	k := d.keys(index)
	return d.EvalSha(context.Background(), "forward", []string{k.Asynq("scheduled"), k.Asynq("pending")})
}

// Wake, Release, Forget, Close and PutBack are the door's own.
func (d Door) Wake(index int)                    { d.wake(index) }
func (d Door) Release(id string)                 { d.release(id) }
func (d Door) Forget(before time.Time)           { d.forget(before) }
func (d Door) Close()                            { d.close() }
func (d Door) PutBack(ctx context.Context) error { return d.putBack(ctx) }

// Token is the attempt that was begun as the task was taken.
func (d Door) Token(index int, id string) string { return d.slots[index].token(id) }
