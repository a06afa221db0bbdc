package handlers_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// provider is a channel with a room of its own, that can do what the real ones can.
type provider struct {
	can  tasks.Capabilities
	pace ratelimit.Pace
	// lose is how many accepted messages get no reply, pause what it asks for after
	// each, findErr the answer of Find.
	lose    int
	pause   time.Duration
	findErr error

	mu       sync.Mutex
	order    []string
	texts    map[string]string
	tokens   map[string]string
	asked    []string
	sentAt   []time.Time
	searched int
}

func newProvider(c tasks.Idempotency, window time.Duration) *provider {
	return &provider{
		can: tasks.Capabilities{
			Operations:  []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia},
			Idempotency: c, Window: window,
		},
		texts: make(map[string]string), tokens: make(map[string]string),
	}
}

func (p *provider) Type() string                     { return "provider" }
func (p *provider) Capabilities() tasks.Capabilities { return p.can }
func (p *provider) Pace(m tasks.Message) ratelimit.Pace {
	pace := p.pace
	if pace.Route == "" {
		pace.Route = string(m.Operation)
	}
	return pace
}

var errLost = &classify.Error{Op: "send", Err: errors.New("EOF"), Reason: classify.ReasonConnectionLost}

func (p *provider) Send(_ context.Context, m tasks.Message) (tasks.Delivery, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked, p.sentAt = append(p.asked, "send "+m.Text), append(p.sentAt, time.Now())
	id, known := p.tokens[m.Token]
	if !known || p.can.Idempotency != tasks.Native {
		id = "m" + strconv.Itoa(len(p.order)+1)
		p.order, p.texts[id], p.tokens[m.Token] = append(p.order, id), m.Text, id
	}
	if p.lose > 0 {
		p.lose--
		return tasks.Delivery{}, errLost
	}
	return tasks.Delivery{MessageID: id, Pause: p.pause}, nil
}

func (p *provider) Edit(_ context.Context, m tasks.Message) (tasks.Delivery, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked, p.sentAt = append(p.asked, "edit "+m.ExternalMessageID+" "+m.Text), append(p.sentAt, time.Now())
	p.texts[m.ExternalMessageID] = m.Text
	return tasks.Delivery{MessageID: "event", Pause: p.pause}, nil
}

func (p *provider) SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	m.Text = "<" + m.Media.Caption + ">"
	return p.Send(ctx, m)
}

func (p *provider) EditMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	m.Text = "<" + m.Media.Caption + ">"
	return p.Edit(ctx, m)
}

func (p *provider) Find(_ context.Context, m tasks.Message, since time.Time) (tasks.Delivery, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.searched++
	id, found := p.tokens[m.Token]
	if time.Since(since) < 0 || p.findErr != nil {
		return tasks.Delivery{}, false, p.findErr
	}
	return tasks.Delivery{MessageID: id}, found, nil
}

// room is what stands in the room.
func (p *provider) room() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var texts []string
	for _, id := range p.order {
		if text, ok := p.texts[id]; ok {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, "|")
}

func (p *provider) requests() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.asked, "|")
}

// deleter is a provider that can take messages back.
type deleter struct{ *provider }

func (d deleter) Delete(_ context.Context, m tasks.Message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked, d.sentAt = append(d.asked, "delete "+m.ExternalMessageID), append(d.sentAt, time.Now())
	delete(d.texts, m.ExternalMessageID)
	return nil
}

// wantRequests checks what the provider was asked for.
func (p *provider) wantRequests(t *testing.T, want string) {
	t.Helper()
	if got := p.requests(); got != want {
		t.Errorf("asked for %q, want %q", got, want)
	}
}
