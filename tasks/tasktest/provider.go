package tasktest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// Failure says which attempts fail, and how. The zero value refuses all of them, with a
// terminal error.
type Failure struct {
	// Bridge and Room are where, and Text is a part of the text or the caption; empty
	// is any.
	Bridge, Room, Text string
	// Times is how many attempts fail; zero is all, until StopFailing.
	Times int
	// Category is what the failure is: classify.Terminal, which settles the envelope
	// and is the default, Retryable, which is tried again, or Fatal, which settles it too;
	// behind three fatal ones in a row the others of their bridge wait.
	Category classify.Category
	// Reason is why; empty is rejected, provider_unavailable or unauthorized, by the
	// category. A Reason alone says the category too.
	Reason classify.Reason
	// Ambiguous has the provider take the message and lose its answer. The message is
	// then sent again, unless the policy says otherwise. It excludes Category and Reason.
	Ambiguous bool
}

// defaults are the reason and the status of a category's failures.
var defaults = map[classify.Category]struct {
	reason classify.Reason
	status int
}{
	classify.Terminal:  {classify.ReasonRejected, http.StatusBadRequest},
	classify.Retryable: {classify.ReasonUnavailable, http.StatusServiceUnavailable},
	classify.Fatal:     {classify.ReasonUnauthorized, http.StatusUnauthorized},
}

// check says what is wrong with a failure, empty for nothing.
func (f *Failure) check() string {
	_, known := defaults[f.Category]
	switch {
	case f.Times < 0:
		return "Times is " + strconv.Itoa(f.Times) + ", want 0 or more"
	case f.Ambiguous && (f.Category != "" || f.Reason != ""):
		return "Ambiguous excludes Category and Reason"
	case f.Category != "" && !known:
		return "Category is " + strconv.Quote(string(f.Category)) + ", want terminal, retryable or fatal"
	case f.Reason != "" && !f.Reason.Known():
		return "Reason is " + strconv.Quote(string(f.Reason)) + ", want one of classify.Reasons"
	case f.Reason != "" && f.Category != "" && f.Reason.Category() != f.Category:
		return "Reason " + string(f.Reason) + " is " + string(f.Reason.Category()) + ", and Category is " + string(f.Category)
	}
	return ""
}

func (f *Failure) matches(m *tasks.Message) bool {
	text := m.Text
	if m.Media != nil {
		text = m.Media.Caption
	}
	return (f.Bridge == "" || f.Bridge == m.BridgeID) && (f.Room == "" || f.Room == m.ExternalRoomID) && strings.Contains(text, f.Text)
}

// Fail has attempts fail from now on. Of several failures that fit, the one that was
// given first counts.
func (g *Gateway) Fail(f Failure) {
	g.t.Helper()
	if why := f.check(); why != "" {
		g.t.Fatalf("tasktest: Fail: %s", why)
	}
	g.provider.mu.Lock()
	defer g.provider.mu.Unlock()
	g.provider.failures = append(g.provider.failures, f)
}

// StopFailing forgets all failures: attempts succeed again.
func (g *Gateway) StopFailing() {
	g.provider.mu.Lock()
	defer g.provider.mu.Unlock()
	g.provider.failures = nil
}

// Delivered is what the provider took, in order: a message for each piece of each
// envelope. Their Content is nil.
func (g *Gateway) Delivered() []tasks.Message {
	g.provider.mu.Lock()
	defer g.provider.mu.Unlock()
	return slices.Clone(g.provider.took)
}

// provider is what all channels deliver to.
type provider struct {
	mu       sync.Mutex
	failures []Failure
	took     []tasks.Message
	made     int
}

// deliver takes a message, or fails it. The id is that of the message it made or changed.
func (p *provider) deliver(m tasks.Message) (id string, failed *Failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.IndexFunc(p.failures, func(f Failure) bool { return f.matches(&m) }); i >= 0 {
		f := p.failures[i]
		if f.Times == 1 {
			p.failures = slices.Delete(p.failures, i, i+1)
		} else if f.Times > 1 {
			p.failures[i].Times--
		}
		if failed = &f; !f.Ambiguous {
			return "", failed
		}
	}
	m.Content = nil // it ends with the attempt
	p.took = append(p.took, m)
	if m.Operation.IsEdit() {
		return m.ExternalMessageID, failed
	}
	p.made++
	return "m-" + strconv.Itoa(p.made), failed
}

// channel is a bridge's way to the provider.
type channel struct {
	name     string
	provider *provider
}

// Type is the name that the bridge was given.
func (c *channel) Type() string { return c.name }

// Capabilities are all operations, for texts of any length.
func (c *channel) Capabilities() tasks.Capabilities {
	return tasks.Capabilities{Operations: tasks.Operations, Idempotency: tasks.Blind}
}

// Send delivers a text.
func (c *channel) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return tasks.Delivery{}, &classify.Error{Channel: c.name, Op: string(m.Operation), Sent: classify.SentNo, Err: err}
	}
	id, failed := c.provider.deliver(m)
	if failed == nil {
		return tasks.Delivery{MessageID: id}, nil
	}
	return tasks.Delivery{}, failed.err(c.name, m.Operation)
}

// Edit delivers the new text of a message.
func (c *channel) Edit(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.Send(ctx, m)
}

// SendMedia delivers media.
func (c *channel) SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.Send(ctx, m)
}

// EditMedia delivers the new media of a message.
func (c *channel) EditMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.Send(ctx, m)
}

// errLost says that there was no answer.
var errLost = errors.New("tasktest: the answer was lost")

// err is what a channel reports of the failure. Whatever its status says, the provider
// knows that it has not taken the message, unless it is ambiguous.
func (f *Failure) err(channel string, op tasks.Operation) error {
	e := &classify.Error{Channel: channel, Op: string(op), Sent: classify.SentNo, Reason: f.Reason}
	if f.Ambiguous {
		e.Sent, e.Reason, e.Err = classify.SentUnknown, classify.ReasonConnectionLost, errLost
		return e
	}
	category := f.Category
	switch {
	case f.Reason != "":
		category = f.Reason.Category()
	case category == "":
		category = classify.Terminal
	}
	d := defaults[category]
	e.Status, e.Message = d.status, http.StatusText(d.status)
	if e.Reason == "" {
		e.Reason = d.reason
	}
	return e
}
