package handlers

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// listen hears the wakes of idle partitions and the events that are only told.
func (w *Worker) listen(ctx context.Context) {
	wakes := make(map[string]int)
	var names []string
	for i := range w.cfg.Scheme.Count {
		k := partition.Keys{Queue: w.cfg.Scheme.Queue(i)}
		wakes[k.Wake()] = i
		names = append(names, k.Wake(), k.Events())
	}
	pubsub := w.rdb.Subscribe(ctx, names...)
	defer func() { _ = pubsub.Close() }()
	messages := pubsub.ChannelWithSubscriptions(redis.WithChannelSize(1000))
	for {
		select {
		case <-ctx.Done():
			return
		case message, ok := <-messages:
			if !ok {
				return
			}
			switch m := message.(type) {
			case *redis.Subscription: // what was told before it stands was not heard
				w.hear(ctx, wakes, m.Channel, "")
				if m.Count < len(names) {
					continue
				}
				if err := w.readPressure(ctx); err != nil {
					w.redisTrouble(err)
				}
			case *redis.Message:
				w.hear(ctx, wakes, m.Channel, m.Payload)
			}
		}
	}
}

func (w *Worker) hear(ctx context.Context, wakes map[string]int, channel, payload string) {
	if i, wake := wakes[channel]; wake {
		w.asynqRedis.Wake(i)
	} else {
		w.event(ctx, payload)
	}
}

// readPressure reads the levels of all partitions, of which otherwise only changes are
// told.
func (w *Worker) readPressure(ctx context.Context) error {
	levels, err := partition.ReadLevels(ctx, w.rdb, w.cfg.Scheme)
	if err != nil {
		return err
	}
	for i := range levels {
		w.tallies[i].level.Store(&levels[i])
	}
	return nil
}

// event is what a script published: a refusal or a change of pressure.
func (w *Worker) event(ctx context.Context, payload string) {
	e, ok := partition.ParseNotice(payload)
	if !ok || e.Partition >= len(w.tallies) {
		return
	}
	if e.Event == partition.NoticeRefused {
		w.collector.Refused(e.Partition, e.Code, e.Priority)
		if w.cfg.OnRefused != nil && w.Sweeps(e.Partition) {
			w.callBack("OnRefused", func() {
				w.cfg.OnRefused(Refused{Code: tasks.Code(e.Code), Priority: tasks.Priority(e.Priority), Partition: e.Partition})
			})
		}
		return
	}
	w.tallies[e.Partition].level.Store(&e.To)
	if w.Sweeps(e.Partition) {
		w.log.Warn("pressure.changed", zap.Int("partition", e.Partition), zap.String("from", string(e.From)),
			zap.String("to", string(e.To)), zap.Int("depth", e.Depth), zap.Int("capacity", e.Capacity))
		w.wg.Go(func() { // who listens here also wakes the partitions, and must not wait
			w.tell(ctx, ops.Event{
				What: ops.PressureChanged, About: w.cfg.Scheme.Queue(e.Partition),
				Text: fmt.Sprintf("from %s to %s, at %d of %d", e.From, e.To, e.Depth, e.Capacity),
			})
		})
	}
}

// callBack calls the embedder's code; its panic is logged.
func (w *Worker) callBack(name string, call func()) {
	defer func() {
		if x := recover(); x != nil {
			w.log.Error("callback.panicked", zap.String("callback", name), zap.Any("panic", x), zap.ByteString("stack", debug.Stack()))
		}
	}()
	call()
}

// tell keeps an event of this worker.
func (w *Worker) tell(ctx context.Context, e ops.Event) {
	e.By = ops.ByGateway
	if err := ops.Tell(ctx, w.rdb, e); err != nil {
		w.redisTrouble(err)
	}
}

// tellOfItself says that this worker joined or left.
func (w *Worker) tellOfItself(ctx context.Context, what ops.EventKind) {
	host, _ := os.Hostname()
	w.tell(ctx, ops.Event{What: what, About: w.name, Text: fmt.Sprintf("process %d on %s", os.Getpid(), host)})
}
