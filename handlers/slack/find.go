package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

const (
	// eventType marks the metadata of this gateway.
	eventType = "outgate"
	// skew is how much Slack's clock may be behind ours.
	skew = time.Minute
	// pageSize and maxPages bound how far back is looked.
	pageSize = 100
	maxPages = 10
)

var errNoMessages = errors.New("the reply holds no list of messages")

// metadata is what a text carries besides
// (https://docs.slack.dev/messaging/message-metadata).
type metadata struct {
	EventType string `json:"event_type"`
	Payload   struct {
		ID string `json:"id"`
	} `json:"event_payload"`
}

func newMetadata(token string) *metadata {
	m := &metadata{EventType: eventType}
	m.Payload.ID = token
	return m
}

// message is a message in an answer.
type message struct {
	TS       string   `json:"ts"`
	Metadata metadata `json:"metadata"`
}

type historyArgs struct {
	Channel string `json:"channel"`
	// TS is the thread's, for conversations.replies alone.
	TS                 string `json:"ts,omitempty"`
	Oldest             string `json:"oldest"`
	Inclusive          bool   `json:"inclusive"`
	Limit              int    `json:"limit"`
	Cursor             string `json:"cursor,omitempty"`
	IncludeAllMetadata bool   `json:"include_all_metadata"`
}

// Find looks for a text that was sent since then, by its metadata. It looks among the
// replies of the thread where the text is one. Media carries no metadata, and without
// Config.Reconcile nothing does: of these it cannot tell, which is an error of
// classify.ReasonUnsupportedOperation. An edit is never found: it may be repeated.
func (c *Channel) Find(ctx context.Context, m tasks.Message, since time.Time) (tasks.Delivery, bool, error) {
	method := readHistory
	args := historyArgs{
		Channel:            m.ExternalRoomID,
		TS:                 thread(m.Opts),
		Oldest:             timestamp(since.Add(-skew)),
		Inclusive:          true,
		Limit:              pageSize,
		IncludeAllMetadata: true,
	}
	if args.TS != "" {
		method = readReplies
	}
	switch {
	case m.Operation.IsEdit():
		return tasks.Delivery{}, false, nil
	case m.Operation.IsMedia() || !c.reconcile:
		return tasks.Delivery{}, false, refuse(method, classify.ReasonUnsupportedOperation, "the message carries no token")
	}
	want := *newMetadata(m.Token)
	for range maxPages {
		a, err := c.callJSON(ctx, method, args)
		if err != nil {
			return tasks.Delivery{}, false, narrow(err)
		}
		if a.Messages == nil { // that is not the same as none
			return tasks.Delivery{}, false, notUnderstood(method, http.StatusOK, errNoMessages)
		}
		for _, found := range a.Messages {
			if found.Metadata == want {
				return delivery(m.ExternalRoomID, found.TS), true, nil
			}
		}
		if args.Cursor = a.Meta.NextCursor; args.Cursor == "" {
			return tasks.Delivery{}, false, nil
		}
	}
	return tasks.Delivery{}, false, refuse(method, classify.ReasonAmbiguous,
		fmt.Sprintf("there are more than %d messages to look through", maxPages*pageSize))
}

// narrow keeps a delay for a question from all but the message that it is asked for:
// no other waits for it.
func narrow(err error) error {
	if e, ok := errors.AsType[*classify.Error](err); ok && e.Scope == classify.ScopeRoute {
		e.Scope = classify.ScopeRoomRoute
	}
	return err
}

// timestamp is a time as Slack writes it.
func timestamp(t time.Time) string {
	if t.Unix() < 0 {
		return "0"
	}
	return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/int(time.Microsecond))
}
