package handlers

import (
	"context"

	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/tasks"
)

// What a channel is, and what it may be beside. Package provider describes each.
type (
	// Channel is a kind of provider.
	Channel = provider.Channel
	// Editor can change a text it sent.
	Editor = provider.Editor
	// MediaSender can send media.
	MediaSender = provider.MediaSender
	// MediaEditor can change media it sent.
	MediaEditor = provider.MediaEditor
	// Deleter can take back a message it sent.
	Deleter = provider.Deleter
	// Reconciler can ask its provider whether it has a message.
	Reconciler = provider.Reconciler
	// Pacer knows its provider's limits.
	Pacer = provider.Pacer
	// Checker can try its credential without sending anything.
	Checker = provider.Checker
	// Closer holds connections.
	Closer = provider.Closer
)

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
