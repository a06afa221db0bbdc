package channeltest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

const (
	secret = "s3cret/t0ken"
	window = time.Minute
)

// dedupes is the table of a channel whose provider drops a second request.
var dedupes = &classify.Table{Dedupes: true}

// wire is what the reference channel sends, in JSON.
type wire struct {
	Room, ID, Token, Text, File string
	Format                      tasks.Format
	Data                        []byte
}

// answer is what its provider answers.
type answer struct {
	ID    string
	Found *bool
}

// mutant changes one thing about the reference channel; nil changes nothing.
type mutant struct {
	caps     func(*tasks.Capabilities)
	wire     func(op string, w *wire)
	delivery func(*tasks.Delivery)
	failure  func(op string, e *classify.Error) error
	// retokens makes another token of each attempt, and checkPosts has Check post.
	retokens, checkPosts bool
}

// faults are what else may be wrong with a channel, mostly with its HTTP.
type faults struct {
	deaf      bool // does not pass its context on
	followers bool // follows redirects
	greedy    bool // reads all there is
	leaky     bool // puts the URL into errors
	forgetful bool // does not close replies
	guessing  bool // takes every failure for one before sending
	gullible  bool // takes every reply for a delivery
	anonymous bool // has no type, no idempotency, operations of its own
	broken    bool // fails always, and with an error of its own
	unfit     bool // has results that are no JSON
	idle      bool // delivers without asking
	repeating bool // asks again where it must not
}

// reference is a small channel that keeps every promise, unless it is told otherwise.
type reference struct {
	mutant
	faults

	url       string
	transport http.Transport
	n         atomic.Int64
}

func (c *reference) Type() string {
	if c.anonymous {
		return ""
	}
	return "reference"
}

func (c *reference) Capabilities() tasks.Capabilities {
	if c.anonymous {
		return tasks.Capabilities{Operations: []tasks.Operation{tasks.Send, tasks.Send, "shout"}, Idempotency: "maybe", Window: 1}
	}
	caps := tasks.Capabilities{
		Operations:  []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia},
		Idempotency: tasks.Native, Window: window,
		Text: tasks.Length{Max: 500}, FetchesMedia: true,
	}
	if c.caps != nil {
		c.caps(&caps)
	}
	return caps
}

func (c *reference) Close() { c.transport.CloseIdleConnections() }

func (c *reference) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, "send", wire{Text: m.Text}, m)
}

func (c *reference) Edit(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, "edit", wire{Text: m.Text}, m)
}

func (c *reference) SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	w, err := c.upload(ctx, m)
	if err != nil {
		return tasks.Delivery{}, err
	}
	return c.deliver(ctx, "send", w, m)
}

func (c *reference) EditMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	w, err := c.upload(ctx, m)
	if err != nil {
		return tasks.Delivery{}, err
	}
	return c.deliver(ctx, "edit", w, m)
}

func (c *reference) Delete(ctx context.Context, m tasks.Message) error {
	_, err := c.ask(ctx, "delete", c.address(wire{}, m))
	if e, ok := errors.AsType[*classify.Error](err); ok && e.Status == http.StatusNotFound {
		return nil
	}
	return err
}

func (c *reference) Find(ctx context.Context, m tasks.Message, _ time.Time) (tasks.Delivery, bool, error) {
	a, err := c.ask(ctx, "find", c.address(wire{}, m))
	if err == nil && a.Found == nil {
		err = c.fail("find", classify.SentUnknown, classify.Reply{}, errors.New("the reply is no answer"))
	}
	return tasks.Delivery{MessageID: a.ID}, a.Found != nil && *a.Found, err
}

func (c *reference) Check(ctx context.Context) error {
	op := "check"
	if c.checkPosts {
		op = "send"
	}
	a, err := c.ask(ctx, op, wire{Room: "42", Text: "Is this on?"})
	if err == nil && a.ID == "" {
		err = c.fail("check", classify.SentNo, classify.Reply{}, errors.New("the reply has no id"))
	}
	return err
}

// upload brings a file to the provider, before the message.
func (c *reference) upload(ctx context.Context, m tasks.Message) (wire, error) {
	r, err := m.Content.Open()
	if err != nil {
		return wire{}, err
	}
	data, _ := io.ReadAll(r)
	a, err := c.ask(ctx, "upload", wire{Text: m.Content.Filename, Data: data})
	if err == nil && a.ID == "" {
		err = c.fail("upload", classify.SentNo, classify.Reply{}, errors.New("the reply has no id"))
	}
	return wire{Text: m.Media.Caption, File: a.ID}, err
}

func (c *reference) address(w wire, m tasks.Message) wire {
	w.Room, w.ID, w.Token, w.Format = m.ExternalRoomID, m.ExternalMessageID, m.Token, m.Opts.Format
	if c.retokens {
		w.Token += fmt.Sprint(m.Attempt)
	}
	return w
}

func (c *reference) deliver(ctx context.Context, op string, w wire, m tasks.Message) (tasks.Delivery, error) {
	a, err := c.ask(ctx, op, c.address(w, m))
	if err == nil && a.ID == "" && !c.gullible {
		err = c.fail(op, classify.SentUnknown, classify.Reply{}, errors.New("the reply has no id"))
	}
	d := tasks.Delivery{MessageID: a.ID}
	if c.delivery != nil {
		c.delivery(&d)
	}
	if c.unfit {
		d.Result = map[string]any{"x": func() {}}
	}
	return d, err
}

// fail is an error of the channel.
func (c *reference) fail(op string, sent classify.Sent, reply classify.Reply, err error) error {
	if c.guessing || op == "upload" {
		sent = classify.SentNo
	}
	if !c.leaky {
		reply.Message = strings.ReplaceAll(reply.Message, secret, "")
		if err != nil && strings.Contains(err.Error(), secret) {
			err = errors.Join(errors.New("failed"), is(err, context.Canceled), is(err, context.DeadlineExceeded))
		}
	}
	e := &classify.Error{Channel: c.Type(), Table: dedupes, Op: op, Sent: sent, Reply: reply, Err: err}
	if c.failure != nil {
		return c.failure(op, e)
	}
	return e
}

func is(err, target error) error {
	if errors.Is(err, target) {
		return target
	}
	return nil
}

// ask makes one request.
func (c *reference) ask(ctx context.Context, op string, w wire) (a answer, err error) {
	switch {
	case c.broken:
		return a, errors.New("no idea")
	case c.idle:
		there := false
		return answer{ID: fmt.Sprint(c.n.Add(1)), Found: &there}, nil
	case c.deaf:
		ctx = context.Background()
	}
	if c.wire != nil {
		c.wire(op, &w)
	}
	body, _ := json.Marshal(w)
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/"+secret+"/"+op, bytes.NewReader(body))
	resp, err := c.do(req)
	if err != nil {
		sent := classify.SentUnknown
		if errors.Is(err, errUnsent) || strings.Contains(err.Error(), "refused") {
			sent = classify.SentNo
		}
		return a, c.fail(op, sent, classify.Reply{}, err)
	}
	text := c.read(resp)
	if resp.StatusCode >= 300 && !c.gullible {
		text = bytes.TrimSpace(text[:min(len(text), 2000)])
		return a, c.fail(op, classify.SentRefused, classify.Reply{Status: resp.StatusCode, Message: string(text)}, nil)
	}
	_ = json.Unmarshal(text, &a) // what is no answer has no id
	return a, nil
}

// errUnsent says that a context had ended before a request.
var errUnsent = errors.New("not sent")

func (c *reference) do(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, errors.Join(errUnsent, err)
	}
	client := http.Client{Transport: &c.transport}
	if !c.followers {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	resp, err := client.Do(req)
	if c.repeating && err != nil {
		again := req.Clone(req.Context())
		again.Body, _ = req.GetBody()
		resp, err = client.Do(again)
	}
	return resp, err
}

// read reads a bounded part of a reply, and closes it.
func (c *reference) read(resp *http.Response) []byte {
	if c.forgetful {
		text := make([]byte, 512)
		n, _ := resp.Body.Read(text)
		return text[:n]
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 256<<10))
	if c.greedy {
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	return text
}

// silent is a channel that sends nothing to anybody.
type silent struct{}

func (silent) Type() string { return "silent" }

func (silent) Capabilities() tasks.Capabilities {
	return tasks.Capabilities{Operations: []tasks.Operation{tasks.Send}, Idempotency: tasks.Blind}
}

func (silent) Send(ctx context.Context, _ tasks.Message) (tasks.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return tasks.Delivery{}, &classify.Error{Channel: "silent", Op: "send", Sent: classify.SentNo, Err: err}
	}
	return tasks.Delivery{MessageID: "1"}, nil
}
