package handlers_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

func coalescing(b *handlers.Bridge) { b.CoalesceEdits = true }

// editOf is an edit of a message in room 1 of bridge b.
func editOf(message, text string) tasks.Envelope {
	return tasks.Envelope{
		Operation: tasks.Edit, BridgeID: "b", ExternalRoomID: "1", ExternalMessageID: message, Payload: tasks.Text(text),
	}
}

func TestEditsThatWaitGiveWayToTheLastOne(t *testing.T) {
	t.Parallel()
	const edits = 200
	ch := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch, coalescing, func(b *handlers.Bridge) {
		b.RoomLimits = []ratelimit.Limit{{N: 1, Window: 200 * time.Millisecond}}
	})))
	w := g.work()
	m := g.Send(toRoom("b", "1", "first")).MessageID
	var receipts []tasks.Receipt
	for i := range edits {
		receipts = append(receipts, g.Enqueue(editOf(m, fmt.Sprint(i))))
	}
	superseded := 0
	for i, r := range receipts {
		o, err := g.Client.Wait(t.Context(), r)
		switch {
		case err != nil:
			t.Fatal(err)
		case o.Superseded != nil:
			superseded++
			by := slices.IndexFunc(receipts, func(r tasks.Receipt) bool { return r.ID == o.Superseded.SupersededBy })
			if by <= i {
				t.Errorf("edit %d gave way to %d", i, by)
			}
		case o.Success == nil:
			t.Errorf("edit %d: %+v", i, o.Error)
		case i == edits-1 && o.Success.MessageID != m:
			t.Errorf("edit %d: %+v", i, o.Success)
		}
	}
	attempts := ch.attempts("1")
	if n := len(attempts) - 1; n+superseded != edits || superseded == 0 {
		t.Errorf("%d edits were sent and %d gave way", n, superseded)
	}
	if last := attempts[len(attempts)-1].Text; last != fmt.Sprint(edits-1) {
		t.Errorf("the room sees edit %s", last)
	}
	w.metric(t, "outgate_deliveries_total", float64(superseded), "bridge", "b", "operation", "edit", "disposition", "superseded")
}

func TestEditsAreAllSentWhereTheyAreNotCoalesced(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch)))
	m := "1"
	receipts := g.EnqueueBatch(editOf(m, "one"), editOf(m, "two"), editOf(m, "three"))
	g.work()
	for _, r := range receipts {
		if o, err := g.Client.Wait(t.Context(), r); err != nil || o.Superseded != nil {
			t.Errorf("outcome %+v, %v", o, err)
		}
	}
}

func TestASynchronousEditThatGaveWayTellsSo(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, onePartition(testBridge("b", ch, coalescing)))
	m := "1"
	var wg sync.WaitGroup
	errs := make(chan error, 1)
	wg.Go(func() {
		_, err := g.Client.EditMessage(t.Context(), editOf(m, "one"))
		errs <- err
	})
	depth := func() int64 { return g.Redis.LLen(t.Context(), g.Keys(0).Asynq("pending")).Val() }
	until(t, "it waits", func() bool { return depth() == 1 })
	last := g.Enqueue(editOf(m, "two"))
	g.work()
	err := <-errs
	wg.Wait()
	var out *tasks.OutboundError
	var gone *tasks.SupersededError
	if !errors.As(err, &out) || out.Reason != classify.ReasonSuperseded || out.ID == "" || out.Ambiguous {
		t.Errorf("error %v", err)
	}
	if !errors.As(err, &gone) || gone.By != last.ID {
		t.Errorf("superseded by %+v, want %s", gone, last.ID)
	}
}
