package matrix

import (
	"context"
	"net/http"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// Send writes a text into a room.
func (c *Channel) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	body := textContent(&m)
	body.relate(&m.Opts)
	return c.put(ctx, &m, body)
}

// Edit puts a text in the place of a message's. The message keeps its id; the
// result has that of the edit.
func (c *Channel) Edit(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.put(ctx, &m, textContent(&m).replacing(m.ExternalMessageID))
}

// SendMedia uploads media and shows them in a room.
func (c *Channel) SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	uri, err := c.upload(ctx, &m)
	if err != nil {
		return tasks.Delivery{}, err
	}
	body := mediaContent(&m, uri)
	body.relate(&m.Opts)
	return c.put(ctx, &m, body)
}

// EditMedia uploads media and puts them in the place of a message's.
func (c *Channel) EditMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	uri, err := c.upload(ctx, &m)
	if err != nil {
		return tasks.Delivery{}, err
	}
	return c.put(ctx, &m, mediaContent(&m, uri).replacing(m.ExternalMessageID))
}

// Delete redacts a message. One that the homeserver does not have is gone already.
func (c *Channel) Delete(ctx context.Context, m tasks.Message) error {
	room, err := c.room(ctx, m.ExternalRoomID)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, request{
		op: "redact", method: http.MethodPut, body: []byte("{}"),
		path: []string{"client", "v3", "rooms", room, "redact", m.ExternalMessageID, m.Token},
	})
	if refusedWith(err, codeNotFound) {
		return nil
	}
	c.learn(m.ExternalRoomID, err)
	return err
}

// put writes an event into the message's room.
func (c *Channel) put(ctx context.Context, m *tasks.Message, body *content) (tasks.Delivery, error) {
	room, err := c.room(ctx, m.ExternalRoomID)
	if err != nil {
		return tasks.Delivery{}, err
	}
	body.Token = m.Token
	const op = "send"
	reply, err := c.call(ctx, request{
		op: op, method: http.MethodPut, body: body.encode(),
		path: []string{"client", "v3", "rooms", room, "send", "m.room.message", m.Token},
	})
	if err != nil {
		c.learn(m.ExternalRoomID, err)
		return tasks.Delivery{}, err
	}
	eventID, err := readField(reply, "event_id")
	if err != nil {
		// The event is in the room, most likely, but nobody knows its id.
		return tasks.Delivery{}, &classify.Error{
			Channel: Type, Table: table, Op: op, Sent: classify.SentUnknown, Reason: classify.ReasonInvalidReply, Err: err,
		}
	}
	return delivery(m, eventID, body.URL), nil
}

// delivery is that of an event of ours. An edit does not change a message's id.
func delivery(m *tasks.Message, eventID, uri string) tasks.Delivery {
	d := tasks.Delivery{MessageID: eventID, Result: map[string]any{"event_id": eventID}}
	if m.Operation.IsEdit() {
		d.MessageID = m.ExternalMessageID
	}
	if uri != "" {
		d.Result["content_uri"] = uri
	}
	return d
}
