package channeltest

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/tasks"
)

// suite is a harness in use.
type suite struct {
	Harness

	// messages counts those that were made, so that each has a token of its own.
	messages atomic.Int64
}

// build makes the channel for a test.
func (s *suite) build(tb testing.TB, url string) Channel {
	tb.Helper()
	ch, err := s.New(url)
	if err != nil {
		tb.Fatalf("New: got the error %v, want a channel. Look at Harness.New", err)
	}
	if c, ok := ch.(interface{ Close() }); ok {
		tb.Cleanup(c.Close)
	}
	return ch
}

func (s *suite) grace() time.Duration {
	if s.Grace == 0 {
		return 5 * time.Second
	}
	return s.Grace
}

// rooms are the two rooms of the harness.
func (s *suite) rooms() (here, elsewhere string) {
	if len(s.Rooms) < 2 {
		return "42", "43"
	}
	return s.Rooms[0], s.Rooms[1]
}

// message makes a message of an operation as the gateway would: with a token of its
// own, and with the content of its media only if the channel declares FetchesMedia.
func (s *suite) message(ch Channel, op tasks.Operation) tasks.Message {
	here, _ := s.rooms()
	id := fmt.Sprintf("007-%016x", s.messages.Add(1))
	m := tasks.Message{
		ID:             id,
		Token:          id,
		Operation:      op,
		BridgeID:       "bridge",
		ExternalRoomID: here,
		Attempt:        1,
		Chunk:          tasks.Chunk{Count: 1},
	}
	if op.IsMedia() {
		byAddress(&m, "cat.png", ch.Capabilities().FetchesMedia)
	} else {
		m.Text = "hello"
	}
	if op.IsEdit() {
		m.ExternalMessageID = "17"
	}
	return m
}

// bytesOf are the bytes of a file of the suite.
func bytesOf(name string) string { return "\x89PNG " + name }

// byAddress gives a message media that have an address, and content if it is fetched.
func byAddress(m *tasks.Message, name string, fetched bool) {
	m.Media = &tasks.Media{Kind: tasks.Image, URL: "https://example.com/" + name, Caption: "a picture"}
	if m.Content = nil; fetched {
		m.Content = content(name)
	}
}

// byData gives a message media that came as bytes, which always have content.
func byData(m *tasks.Message, name string) {
	data := base64.StdEncoding.EncodeToString([]byte(bytesOf(name)))
	m.Media = &tasks.Media{Kind: tasks.Image, Data: data, Filename: name, Caption: "a picture"}
	m.Content = content(name)
}

func content(name string) *tasks.Content {
	data := bytesOf(name)
	return &tasks.Content{
		Size: int64(len(data)), MediaType: "image/png", Filename: name,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(data)), nil },
	}
}

// send sends a plain message.
func (s *suite) send(ctx context.Context, ch Channel) (tasks.Delivery, error) {
	return ch.Send(ctx, s.message(ch, tasks.Send))
}

type (
	editor interface {
		Edit(context.Context, tasks.Message) (tasks.Delivery, error)
	}
	mediaSender interface {
		SendMedia(context.Context, tasks.Message) (tasks.Delivery, error)
	}
	mediaEditor interface {
		EditMedia(context.Context, tasks.Message) (tasks.Delivery, error)
	}
	deleter interface {
		Delete(context.Context, tasks.Message) error
	}
	finder interface {
		Find(context.Context, tasks.Message, time.Time) (tasks.Delivery, bool, error)
	}
	checker interface {
		Check(context.Context) error
	}
)

// every lists the operations there are.
var every = []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia}

type delivery func(context.Context, tasks.Message) (tasks.Delivery, error)

// method finds the channel's method of an operation, nil if it has none.
func method(ch Channel, op tasks.Operation) delivery {
	switch op {
	case tasks.Send:
		return ch.Send
	case tasks.Edit:
		if e, ok := ch.(editor); ok {
			return e.Edit
		}
	case tasks.SendMedia:
		if e, ok := ch.(mediaSender); ok {
			return e.SendMedia
		}
	case tasks.EditMedia:
		if e, ok := ch.(mediaEditor); ok {
			return e.EditMedia
		}
	case Delete:
		if e, ok := ch.(deleter); ok {
			return func(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
				m.Operation = tasks.Edit // it is asked where an edit needs fewer pieces
				return tasks.Delivery{}, e.Delete(ctx, m)
			}
		}
	}
	return nil
}
