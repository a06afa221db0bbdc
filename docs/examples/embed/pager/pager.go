// Package pager is a channel of an app's own. Its provider, which is made up, takes a
// text with a POST to /pages, and knows no markup.
package pager

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/handlers/markup"
	"github.com/outgate/outgate/tasks"
)

// Type is the channel's name.
const Type = "pager"

// maxText is how many code points the provider takes.
const maxText = 1000

// Config says where the provider is, and who asks.
type Config struct {
	// URL is the provider's, Token the credential. Both are required.
	URL, Token string
	// AllowPrivate lets the URL stand for an address that is not public.
	AllowPrivate bool
}

// Channel sends pages. It is safe for concurrent use.
type Channel struct {
	url    *url.URL
	token  string
	sender *httpsend.Sender
}

// New makes a Channel. An error is a *tasks.ConfigError.
func New(cfg Config) (*Channel, error) {
	u, why := httpsend.ParseURL(cfg.URL)
	if why != "" {
		return nil, &tasks.ConfigError{Channel: Type, Field: "url", Why: why}
	}
	if cfg.Token == "" {
		return nil, &tasks.ConfigError{Channel: Type, Field: "token", Why: "is required"}
	}
	return &Channel{url: u.JoinPath("pages"), token: cfg.Token, sender: httpsend.New(httpsend.Config{
		Channel: Type, AllowPrivate: cfg.AllowPrivate, Secrets: []string{cfg.Token},
	})}, nil
}

// Close closes the connections that are not in use.
func (c *Channel) Close() { c.sender.Close() }

// Type is "pager".
func (c *Channel) Type() string { return Type }

// Capabilities are texts. The provider drops no second page with a token that it knows,
// and cannot be asked for one: it is blind.
func (c *Channel) Capabilities() tasks.Capabilities {
	return tasks.Capabilities{
		Operations:  []tasks.Operation{tasks.Send},
		Idempotency: tasks.Blind,
		Text:        tasks.Length{Max: maxText, Of: func(text string, f tasks.Format) int { return len([]rune(plain(text, f))) }},
	}
}

// reasons are what the provider's codes mean. What the statuses mean is known.
var reasons = map[string]classify.Reason{
	"room_closed":   classify.ReasonRoomUnavailable,
	"text_too_long": classify.ReasonMessageTooLong,
	"token_expired": classify.ReasonUnauthorized,
}

// opPost names the request in errors.
const opPost = "post"

// Send posts a text.
func (c *Channel) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	body, err := json.Marshal(map[string]string{"room": m.ExternalRoomID, "text": plain(m.Text, m.Opts.Format)})
	if err != nil {
		return tasks.Delivery{}, &classify.Error{Channel: Type, Op: opPost, Sent: classify.SentNo, Err: err}
	}
	reply, err := c.sender.Do(ctx, httpsend.Request{
		Op: opPost, Method: http.MethodPost, URL: c.url, Body: body,
		Header: http.Header{"Authorization": {"Bearer " + c.token}, "Content-Type": {"application/json"}},
	})
	if err != nil {
		return tasks.Delivery{}, err // there was no answer: the error says how far the request came
	}
	var answer struct {
		ID      string `json:"id"`
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	unread := json.Unmarshal(reply.Body, &answer)
	if !reply.OK() {
		refused := c.sender.Refused(opPost, reply, answer.Code, answer.Message)
		refused.Reason = reasons[answer.Code]
		return tasks.Delivery{}, refused
	}
	if unread != nil || answer.ID == "" {
		// It may have been taken. The gateway decides what to do about the doubt.
		return tasks.Delivery{}, &classify.Error{
			Channel: Type, Op: opPost, Sent: classify.SentUnknown, Reason: classify.ReasonInvalidReply,
			Reply: classify.Reply{Status: reply.Status},
		}
	}
	return tasks.Delivery{MessageID: answer.ID}, nil
}

// plain is a text without its markup. Markdown stays as it is: people read it.
func plain(text string, f tasks.Format) string {
	if f == tasks.HTML {
		return markup.Text(text)
	}
	return text
}
