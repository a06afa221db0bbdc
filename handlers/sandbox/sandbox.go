// Package sandbox is the channel of trials and tests: it delivers to nobody,
// prints what it was given, keeps the last of it, and fails as it is told.
//
// How it fails is scripted in Go, by Config.Behave, or by the message itself, by
// an object "sandbox" in the metadata of its opts:
//
//	{"sandbox":{"fail":"retryable","times":2}}   fail: retryable, terminal or fatal
//	{"sandbox":{"throttle_ms":500,"times":1}}    ask for a delay, as a 429 does
//	{"sandbox":{"delay_ms":50}}                  take a while
//	{"sandbox":{"hang":true}}                    accept, then never answer
//	{"sandbox":{"panic":true}}                   panic
//
// With "times" it does so at the first attempts of a message only.
package sandbox

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// Type is the channel's name.
const Type = "sandbox"

// capabilities are all four operations. A token it has seen is delivered again:
// what was sent twice must show.
var capabilities = tasks.Capabilities{
	Operations:  []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia},
	Idempotency: tasks.Blind,
}

// Config says what a Channel does with what it is given.
type Config struct {
	// Writer gets a line a delivery; nil gets none.
	Writer io.Writer
	// Keep is how many deliveries are kept; zero keeps none.
	Keep int
	// Strict refuses the edit of a message that this channel never made.
	Strict bool
	// Behave scripts a message whose metadata does not; nil lets all succeed.
	Behave func(tasks.Message) Behavior
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Record is one delivery.
type Record struct {
	// Message is what was delivered. An edit has a Record of its own, and puts its
	// text or media into the Record of the message it edits.
	Message tasks.Message
	// MessageID is the message that was made or edited.
	MessageID string
	Time      time.Time
	// Edits counts the later edits.
	Edits int
}

// Channel is a sandbox. It is safe for concurrent use.
type Channel struct {
	cfg  Config
	made atomic.Int64
	mu   sync.Mutex
	// records is in order. Its last Keep count; to drop the rest every time would
	// move them all.
	records []Record
	// misbehaved counts the scripted attempts of a token.
	misbehaved map[string]int
}

// New makes a Channel.
func New(cfg Config) *Channel {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Channel{cfg: cfg, misbehaved: map[string]int{}}
}

// Type is "sandbox".
func (c *Channel) Type() string { return Type }

// Capabilities are what the channel can do.
func (c *Channel) Capabilities() tasks.Capabilities { return capabilities }

// Send delivers a new text.
func (c *Channel) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, &m)
}

// Edit delivers the new text of a message sent before.
func (c *Channel) Edit(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, &m)
}

// SendMedia delivers new media.
func (c *Channel) SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, &m)
}

// EditMedia delivers the new media of a message sent before.
func (c *Channel) EditMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, &m)
}

// Deliveries are the kept deliveries, in order.
func (c *Channel) Deliveries() []Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.records[max(0, len(c.records)-c.cfg.Keep):])
}

func (c *Channel) deliver(ctx context.Context, m *tasks.Message) (tasks.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return tasks.Delivery{}, failure(m, classify.Error{Err: err})
	}
	b, err := c.behavior(m)
	if err != nil {
		return tasks.Delivery{}, failure(m, classify.Error{Reason: classify.ReasonInvalidRequest, Err: err})
	}
	if err := b.before(ctx, m); err != nil {
		return tasks.Delivery{}, err
	}
	if c.cfg.Strict && m.Operation.IsEdit() && !c.hasMade(m.ExternalMessageID) {
		return tasks.Delivery{}, refusal(m, classify.ReasonNotFound, http.StatusNotFound)
	}
	id := c.accept(m)
	if b.Hang {
		<-ctx.Done()
		e := failure(m, classify.Error{Err: ctx.Err()})
		e.Sent = classify.SentUnknown
		return tasks.Delivery{}, e
	}
	return tasks.Delivery{MessageID: id}, nil
}

// accept makes or edits the message, prints it and keeps it.
func (c *Channel) accept(m *tasks.Message) string {
	if c.cfg.Writer == nil && c.cfg.Keep <= 0 {
		return c.id(m)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Under the lock the ids come in the order of the records and lines.
	r := Record{Message: *m, MessageID: c.id(m), Time: c.cfg.Now()}
	if c.cfg.Writer != nil {
		_, _ = io.WriteString(c.cfg.Writer, r.line())
	}
	if c.cfg.Keep > 0 {
		c.keep(r)
	}
	return r.MessageID
}

// id is the id of the message that m makes or edits.
func (c *Channel) id(m *tasks.Message) string {
	if m.Operation.IsEdit() {
		return m.ExternalMessageID
	}
	return "sb-" + strconv.FormatInt(c.made.Add(1), 10)
}

// hasMade is true for the ids that id has given.
func (c *Channel) hasMade(id string) bool {
	digits, ok := strings.CutPrefix(id, "sb-")
	n, err := strconv.ParseInt(digits, 10, 64)
	return ok && err == nil && n >= 1 && n <= c.made.Load() && strconv.FormatInt(n, 10) == digits
}

// keep appends a record, and edits the kept message that it edits.
func (c *Channel) keep(r Record) {
	if r.Message.Operation.IsEdit() {
		for i := range c.records {
			if old := &c.records[i]; old.MessageID == r.MessageID && !old.Message.Operation.IsEdit() {
				old.Message.Text, old.Message.Media = r.Message.Text, r.Message.Media
				old.Edits++
			}
		}
	}
	if len(c.records) >= 2*c.cfg.Keep {
		c.records = slices.Delete(c.records, 0, len(c.records)-c.cfg.Keep)
	}
	c.records = append(c.records, r)
}
