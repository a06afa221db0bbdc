package xmpp_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/xmpp"
)

func TestAnswersThatNobodyAsksForAgainAreNotKeptForever(t *testing.T) {
	var holding, held atomic.Int64
	holding.Store(1)
	late := make(chan func(), 3*xmpp.MaxKept)
	s := serve(t, &script{})
	s.on = func(c *client, e element) bool {
		if holding.Load() == 0 {
			return false
		}
		late <- func() { c.obey(e) }
		if e.is("message", "") {
			held.Add(1)
		}
		return true
	}
	ch := channel(t, s.addr)
	// abandon sends messages and goes away before they are answered.
	abandon := func(from, to int) {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for n := from; n < to; n++ {
			wg.Go(func() {
				_, err := ch.Send(ctx, text(alice, fmt.Sprint("007-", n), "hello"))
				wantVerdict(t, err, classify.Retryable, classify.ReasonCanceled, classify.SentUnknown)
			})
		}
		waitFor(t, "messages", func() bool { return held.Load() == int64(to) })
		cancel()
		wg.Wait()
	}
	deliver := func(token string) {
		holding.Store(0)
		for range len(late) {
			(<-late)()
		}
		if _, err := ch.Send(t.Context(), text(alice, token, "hello")); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(want int) {
		t.Helper()
		if n := ch.Kept(); n != want {
			t.Errorf("%d are kept, want %d", n, want)
		}
	}
	abandon(0, xmpp.MaxKept-1)
	deliver("008-0") // its answer comes after all that are late
	kept(xmpp.MaxKept - 1)
	holding.Store(1)
	abandon(xmpp.MaxKept-1, xmpp.MaxKept)
	kept(xmpp.MaxKept)
	holding.Store(0)
	if _, err := ch.Send(t.Context(), text(alice, "008-1", "hello")); err != nil {
		t.Fatal(err)
	}
	kept(1) // the one that is not answered
}
