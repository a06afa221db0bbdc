package handlers_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/handlers/webhook"
	"github.com/outgate/outgate/tasks"
)

// attempt is a call of a channel.
type attempt struct {
	tasks.Message
	at time.Time
}

// scripted is a sandbox that keeps every attempt.
type scripted struct {
	*sandbox.Channel
	mu   sync.Mutex
	made []attempt
}

// newScripted makes one; behave may be nil.
func newScripted(behave func(tasks.Message) sandbox.Behavior) *scripted {
	s := &scripted{}
	s.Channel = sandbox.New(sandbox.Config{Keep: 10000, Behave: func(m tasks.Message) sandbox.Behavior {
		s.mu.Lock()
		s.made = append(s.made, attempt{m, time.Now()})
		s.mu.Unlock()
		if behave == nil {
			return sandbox.Behavior{}
		}
		return behave(m)
	}})
	return s
}

// attempts are those of the room, of all rooms if it is empty.
func (s *scripted) attempts(room string) []attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.made), func(a attempt) bool { return room != "" && a.ExternalRoomID != room })
}

// texts are what the channel accepted in the room, in order.
func (s *scripted) texts(room string) string {
	var texts []string
	for _, d := range s.Deliveries() {
		if d.Message.ExternalRoomID == room {
			texts = append(texts, d.Message.Text)
		}
	}
	return strings.Join(texts, " ")
}

// always behaves the same at every attempt, first at the first n of each message.
func always(b sandbox.Behavior) func(tasks.Message) sandbox.Behavior {
	return func(tasks.Message) sandbox.Behavior { return b }
}

func first(n int, b sandbox.Behavior) func(tasks.Message) sandbox.Behavior {
	b.Times = n
	return always(b)
}

// gated is a channel whose sends hang until the gate opens, in rooms that begin
// with "gated".
type gated struct {
	*scripted
	gate chan struct{}
	// open opens the gate, once.
	open func()
}

func newGated(t *testing.T) *gated {
	c := &gated{gate: make(chan struct{})}
	c.open = sync.OnceFunc(func() { close(c.gate) })
	c.scripted = newScripted(nil)
	t.Cleanup(c.open)
	return c
}

func (c *gated) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	d, err := c.Channel.Send(ctx, m)
	if strings.HasPrefix(m.ExternalRoomID, "gated") {
		select {
		case <-c.gate:
		case <-ctx.Done():
			return d, &classify.Error{Err: ctx.Err()}
		}
	}
	return d, err
}

// receiver is a webhook bridge whose requests go to the handler.
func receiver(t *testing.T, id string, h http.Handler, changes ...func(*handlers.Bridge)) *handlers.Bridge {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	channel, err := webhook.New(webhook.Config{URL: server.URL, AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(channel.Close)
	return testBridge(id, channel, changes...)
}
