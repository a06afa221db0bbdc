package provider

import (
	"context"
	"time"

	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// Channel is a kind of provider. Its errors are *classify.Error: facts, no judgement.
// It must return when ctx ends, and be safe for concurrent use.
type Channel interface {
	// Type is the channel's name, "webhook" for instance.
	Type() string
	Capabilities() tasks.Capabilities
	// Send sends a new text.
	Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error)
}

// The interfaces below are optional. The capabilities of a channel list exactly the
// operations whose methods it has.

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

// Deleter is a channel that can take back a message it sent. It is asked where an
// edit needs fewer pieces than the text before. A message that is gone is no error.
type Deleter interface {
	Delete(ctx context.Context, m tasks.Message) error
}

// Reconciler is a channel that can ask its provider whether it has a message. It is
// asked before a message is sent again that may have been accepted.
type Reconciler interface {
	// Find looks for the message with m's token, sent since. The bool is false where
	// the provider has none.
	Find(ctx context.Context, m tasks.Message, since time.Time) (tasks.Delivery, bool, error)
}

// Pacer is a channel that knows its provider's limits.
type Pacer interface {
	// Pace is for messages of m's operation to m's room.
	Pace(m tasks.Message) ratelimit.Pace
}

// Checker is a channel that can try its credential and its address without sending
// anything. outgate doctor asks it.
type Checker interface {
	// Check returns the error that a message would meet now; nil is for none.
	Check(ctx context.Context) error
}

// Closer is a channel that holds connections. It is closed when its bridge goes.
type Closer interface {
	Close()
}
