package discord

import (
	"context"
	"errors"

	"github.com/outgate/outgate/tasks"
)

// errNoContent means that the media were not fetched before they came here.
var errNoContent = errors.New("the media have no content")

// SendMedia creates a message with a file. A caption is its text.
func (c *Channel) SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	if m.Media == nil || m.Content == nil {
		return tasks.Delivery{}, c.sender.Unsendable(opCreate, errNoContent)
	}
	return c.create(ctx, &m, newBody(&m, m.Media.Caption), m.Content)
}

// EditMedia puts a file in the place of all that a message has, and the caption in
// the place of its text.
func (c *Channel) EditMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	if m.Media == nil || m.Content == nil {
		return tasks.Delivery{}, c.sender.Unsendable(opEdit, errNoContent)
	}
	return c.change(ctx, &m, editBody(&m, m.Media.Caption), m.Content)
}
