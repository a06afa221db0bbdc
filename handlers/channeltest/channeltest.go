// Package channeltest is the conformance suite that every channel passes. It puts
// a channel before providers that accept, refuse, hang, break off, babble and
// echo, and checks what a channel owes the rest of the program:
//
//   - it has exactly the operations it declares, and may be used concurrently;
//   - it returns when its context ends;
//   - it reads a bounded part of any reply, and survives all of them;
//   - its errors hold no secret;
//   - it uses its connection again, and follows no redirect;
//   - it knows what was not sent from what may have been;
//   - the errors its provider documents get the verdicts they should;
//   - a message has the same token on the wire at every attempt, and no other
//     message has it.
//
// It is imported from tests only.
package channeltest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// Channel is what the suite needs of a channel. The other operations are the
// methods Edit, SendMedia and EditMedia, where it has them.
type Channel interface {
	Type() string
	Capabilities() tasks.Capabilities
	Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error)
}

// Harness is what a channel's test tells the suite of it.
type Harness struct {
	// New builds the channel for a provider at a URL like http://127.0.0.1:1234,
	// with the Secrets in its configuration. If the channel has a method Close, it
	// is called in the end.
	New func(baseURL string) (Channel, error)
	// Accept answers as a provider that takes the message. Nil means that the
	// channel asks no provider over HTTP: then only what needs none is checked.
	Accept http.HandlerFunc
	// Secrets must not be in any error.
	Secrets []string
	// Token finds the token in a request; nil if the provider takes none.
	Token func(r *http.Request, body []byte) string
	// Refusals are the documented errors of the provider, each by a sentence.
	Refusals map[string]Refusal
	// Message makes a message of an operation; nil makes a plain one.
	Message func(op tasks.Operation) tasks.Message
	// Grace is how long the channel may take to notice that its context has ended;
	// zero is five seconds.
	Grace time.Duration
}

// Refusal is an answer of the provider and what it means.
type Refusal struct {
	// Operation meets the refusal; empty is tasks.Send.
	Operation tasks.Operation
	Status    int
	Header    map[string]string
	Body      string
	// Want is the verdict; its Provider is not compared.
	Want classify.Verdict
}

// check is one promise of a channel.
type check struct {
	name string
	run  func(tb testing.TB, h *Harness)
}

// local holds for every channel, remote for those that ask a provider over HTTP.
var (
	local = []check{
		{"has exactly the operations it declares", operations},
		{"delivers by each operation", deliveries},
		{"may be used concurrently", concurrency},
		{"sends nothing once its context has ended", endedContext},
	}
	remote = []check{
		{"returns when its context ends", endingContext},
		{"reads a bounded part of an endless reply", endlessReply},
		{"survives any reply", anyReply},
		{"has no secret in its errors", secrecy},
		{"uses its connection again", reuse},
		{"follows no redirect", redirects},
		{"knows what was not sent from what may have been", sent},
		{"gives the documented errors their verdicts", refusals},
		{"has a token that stays with its message", token},
	}
)

// Run checks a channel.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, c := range h.checks() {
		t.Run(c.name, func(t *testing.T) { c.run(t, &h) })
	}
}

func (h *Harness) checks() []check {
	if h.Accept == nil {
		return local
	}
	return append(local[:len(local):len(local)], remote...)
}

// build makes the channel for a test.
func (h *Harness) build(tb testing.TB, baseURL string) Channel {
	tb.Helper()
	ch, err := h.New(baseURL)
	if err != nil {
		tb.Fatalf("New: %v", err)
	}
	if c, ok := ch.(interface{ Close() }); ok {
		tb.Cleanup(c.Close)
	}
	return ch
}

func (h *Harness) grace() time.Duration {
	if h.Grace == 0 {
		return 5 * time.Second
	}
	return h.Grace
}

// message makes a message of the operation.
func (h *Harness) message(op tasks.Operation) tasks.Message {
	if h.Message != nil {
		return h.Message(op)
	}
	m := tasks.Message{
		ID:             "007-000000000000001f",
		Token:          "007-000000000000001f",
		Operation:      op,
		BridgeID:       "bridge",
		ExternalRoomID: "42",
		Attempt:        1,
		Chunk:          tasks.Chunk{Count: 1},
	}
	if op.IsMedia() {
		m.Media = &tasks.Media{Kind: tasks.Image, URL: "https://example.com/cat.png", Caption: "a cat"}
	} else {
		m.Text = "hello"
	}
	if op.IsEdit() {
		m.ExternalMessageID = "17"
	}
	return m
}

// send sends a plain message.
func (h *Harness) send(ctx context.Context, ch Channel) (tasks.Delivery, error) {
	return ch.Send(ctx, h.message(tasks.Send))
}

// all lists the operations there are.
var all = []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia}

type delivery func(context.Context, tasks.Message) (tasks.Delivery, error)

// method finds the channel's method of an operation, nil if it has none.
func method(ch Channel, op tasks.Operation) delivery {
	switch op {
	case tasks.Send:
		return ch.Send
	case tasks.Edit:
		if e, ok := ch.(interface {
			Edit(context.Context, tasks.Message) (tasks.Delivery, error)
		}); ok {
			return e.Edit
		}
	case tasks.SendMedia:
		if s, ok := ch.(interface {
			SendMedia(context.Context, tasks.Message) (tasks.Delivery, error)
		}); ok {
			return s.SendMedia
		}
	case tasks.EditMedia:
		if e, ok := ch.(interface {
			EditMedia(context.Context, tasks.Message) (tasks.Delivery, error)
		}); ok {
			return e.EditMedia
		}
	}
	return nil
}
