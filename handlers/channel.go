package handlers

import (
	"context"

	"github.com/outgate/outgate/tasks"
)

// Channel is a kind of provider. Its errors are *classify.Error: facts, no
// judgement. It must return when ctx ends.
type Channel interface {
	// Type is the channel's name, "webhook" for instance.
	Type() string
	Capabilities() tasks.Capabilities
	Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error)
}

// Editor is a channel that can change a text it sent.
type Editor interface {
	Edit(ctx context.Context, m tasks.Message) (tasks.Delivery, error)
}

// MediaSender is a channel that can send media.
type MediaSender interface {
	SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error)
}

// MediaEditor is a channel that can change media it sent.
type MediaEditor interface {
	EditMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error)
}

// sender finds the channel's method for an operation, nil where it has none.
func sender(c Channel, op tasks.Operation) func(context.Context, tasks.Message) (tasks.Delivery, error) {
	if !c.Capabilities().Supports(op) {
		return nil
	}
	switch op {
	case tasks.Send:
		return c.Send
	case tasks.Edit:
		if e, ok := c.(Editor); ok {
			return e.Edit
		}
	case tasks.SendMedia:
		if s, ok := c.(MediaSender); ok {
			return s.SendMedia
		}
	case tasks.EditMedia:
		if e, ok := c.(MediaEditor); ok {
			return e.EditMedia
		}
	}
	return nil
}
