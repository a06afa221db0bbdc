package channeltest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

func operations(tb testing.TB, s *suite) {
	ch := s.build(tb, refusedURL(tb))
	if ch.Type() == "" {
		tb.Error("got an empty Type, want the channel's name")
	}
	caps := ch.Capabilities()
	declared := map[tasks.Operation]bool{}
	for _, op := range caps.Operations {
		if declared[op] {
			tb.Errorf("got %s twice in Capabilities.Operations, want it once", op)
		}
		declared[op] = true
	}
	for _, op := range every {
		if has := method(ch, op) != nil; has != declared[op] {
			tb.Errorf("%s: got %v in Capabilities.Operations, and the method %s is there: %v. Want both or neither", op, declared[op], name(op), has)
		}
		delete(declared, op)
	}
	for op := range declared {
		tb.Errorf("got %q in Capabilities.Operations, want operations of package tasks", op)
	}
	idempotency(tb, ch)
	signatures(tb, ch)
}

// idempotency checks that a declared idempotency is one that can be used.
func idempotency(tb testing.TB, ch Channel) {
	tb.Helper()
	caps := ch.Capabilities()
	_, finds := ch.(finder)
	switch caps.Idempotency {
	case tasks.Native, tasks.Blind:
	case tasks.Reconcilable:
		if !finds {
			tb.Error("got Idempotency reconcilable and no method Find, want one. Look at provider.Reconciler")
		}
	default:
		tb.Errorf("got Idempotency %q, want native, reconcilable or blind", caps.Idempotency)
	}
	if caps.Window != 0 && caps.Idempotency != tasks.Native {
		tb.Errorf("got a Window of %v and Idempotency %s, want no Window: it is for native alone", caps.Window, caps.Idempotency)
	}
}

// signatures checks that no method has the name of an optional one, and is none.
func signatures(tb testing.TB, ch Channel) {
	tb.Helper()
	for name, is := range map[string]reflect.Type{
		"Edit": reflect.TypeFor[editor](), "SendMedia": reflect.TypeFor[mediaSender](), "EditMedia": reflect.TypeFor[mediaEditor](),
		"Delete": reflect.TypeFor[deleter](), "Find": reflect.TypeFor[finder](), "Check": reflect.TypeFor[checker](),
	} {
		if t := reflect.TypeOf(ch); reflect.ValueOf(ch).MethodByName(name).IsValid() && !t.Implements(is) {
			m, _ := t.MethodByName(name)
			want, _ := is.MethodByName(name)
			tb.Errorf("got a method %s that nobody calls: %v. Want %v", name, m.Type, want.Type)
		}
	}
}

func deliveries(tb testing.TB, s *suite) {
	st := s.newStage(tb)
	for _, op := range st.Capabilities().Operations {
		if method(st.Channel, op) == nil {
			continue // operations tells
		}
		var m tasks.Message
		if m = st.message(st.Channel, op); s.Provider != nil {
			m = st.prepared(op)
		}
		before := st.server.requests.Load()
		d, err := st.deliver(m)
		if err != nil {
			tb.Errorf("%s: got the error %v, want a delivery", op, err)
			continue
		}
		if st.overHTTP() && st.server.requests.Load() == before {
			tb.Errorf("%s: got a delivery and no request, want the provider to be asked", op)
		}
		if _, err := json.Marshal(d); err != nil {
			tb.Errorf("%s: got a delivery that is not fit for JSON (%v), want one that is. Look at Delivery.Result", op, err)
		}
	}
}

// concurrency sends from many goroutines; each message has to keep its id.
func concurrency(tb testing.TB, s *suite) {
	st := s.newStage(tb)
	want := sync.Map{}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for k := range 4 {
				m := st.text(fmt.Sprintf("text %d of %d", k, i))
				d, err := st.deliver(m)
				if err != nil {
					tb.Errorf("Send: got the error %v, want a delivery", err)
				}
				want.Store(m.Text, d.MessageID)
			}
		})
	}
	wg.Wait()
	if s.Provider == nil {
		return
	}
	here, _ := s.rooms()
	all := st.in(here)
	if len(all) != 64 {
		tb.Errorf("got %d messages of 64 that were sent at once, want all. Look at what the channel's calls share", len(all))
	}
	for _, m := range all {
		if id, _ := want.Load(m.Text); id != m.ID {
			tb.Errorf("text %q, sent among others: got the message id %v, want %q. Look at what the channel's calls share", m.Text, id, m.ID)
			return // one tells as much as all
		}
	}
}

func endedContext(tb testing.TB, s *suite) {
	st := s.newStage(tb)
	ctx, cancel := context.WithCancel(tb.Context())
	cancel()
	_, err := s.send(ctx, st.Channel)
	wantSent(tb, st.Channel, err, classify.SentNo)
	if !errors.Is(err, context.Canceled) {
		tb.Errorf("Send with a context that has ended: got the error %v, want context.Canceled in it", err)
	}
	if n := st.server.requests.Load(); n != 0 {
		tb.Errorf("Send with a context that has ended: got %d requests, want none", n)
	}
}

// wantSent checks that err is a channel's error and says how far the request came.
func wantSent(tb testing.TB, ch Channel, err error, want classify.Sent) {
	tb.Helper()
	e, ok := errors.AsType[*classify.Error](err)
	if !ok {
		tb.Errorf("got %T (%v), want a *classify.Error", err, err)
		return
	}
	if e.Channel != ch.Type() {
		tb.Errorf("got an error of channel %q, want %q", e.Channel, ch.Type())
	}
	if e.Sent != want {
		tb.Errorf("got Sent %s, want %s: %v", sentName(e.Sent), sentName(want), err)
	}
}
