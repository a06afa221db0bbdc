// Package discord is the channel that speaks as a Discord bot over its HTTP API
// (https://docs.discord.com/developers/resources/message).
//
// A room is a channel's id; opts.thread_id takes its place, since a thread is a
// channel. Send and SendMedia create a message, Edit and EditMedia change one of
// the bot's own, Delete takes one back. Media are uploaded; editing them leaves the
// new file alone, with its caption as the text.
//
// Of the options, reply_to makes a reply, and an ordinary message where there is
// nothing to reply to; silent suppresses the notification. Both are for new
// messages only. Markdown goes as it is, HTML is turned into Markdown, and plain
// text is escaped so that it reads as written. Nobody is mentioned, whatever
// stands in the text.
//
// A new message carries a nonce made of its token, and Discord drops a second
// message with the same nonce for a few minutes. After that Find looks through the
// room for the nonce; it needs the permission to read the message history, without
// which Discord shows an empty room.
//
// Limits (https://docs.discord.com/developers/topics/rate-limits) are learned from
// the replies: those that ask to wait, and those that say a bucket is empty now.
package discord

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// Type is the channel's name.
const Type = "discord"

const (
	defaultBase = "https://discord.com"
	apiVersion  = "v10"
	// Discord turns away clients without a User-Agent of this form
	// (https://docs.discord.com/developers/reference#user-agent).
	userAgent = "DiscordBot (https://github.com/outgate/outgate, 1)"
	// maxBody holds a page of messages.
	maxBody = 4 << 20
	// maxText is how many code points a message has at most, new or edited, with
	// media or without.
	maxText = 2000
	// window is how long a nonce is surely remembered; the documentation says "the
	// past few minutes".
	window = 2 * time.Minute
)

// The requests, as errors name them.
const (
	opCreate = "create message"
	opEdit   = "edit message"
	opDelete = "delete message"
	opList   = "list messages"
)

// botLimits hold for all requests of a bot together. Those of a channel are not
// documented, but told in each reply.
var botLimits = ratelimit.Must("50/1s")

// capabilities are all four operations; Discord drops a nonce it knows.
var capabilities = tasks.Capabilities{
	Operations:   []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia},
	Idempotency:  tasks.Native,
	Window:       window,
	Text:         tasks.Length{Max: maxText, Of: measure},
	Caption:      tasks.Length{Max: maxText, Of: measure},
	FetchesMedia: true,
	Calls:        []string{"@everyone", "@here"},
}

// Config says which bot speaks.
type Config struct {
	// Token is the bot's, without the word Bot before it. It is required.
	Token string
	// BaseURL stands in for https://discord.com, and may then be a private address;
	// empty is Discord itself.
	BaseURL string
	// Now is the clock of dates in replies; nil is time.Now.
	Now func() time.Time
}

// Channel speaks as one bot. It is safe for concurrent use.
type Channel struct {
	base   *url.URL
	token  string
	sender *httpsend.Sender
}

// New makes a Channel. An error is a *tasks.ConfigError.
func New(cfg Config) (*Channel, error) {
	if err := checkToken(cfg.Token); err != nil {
		return nil, err
	}
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	return &Channel{
		base:  base,
		token: cfg.Token,
		sender: httpsend.New(httpsend.Config{
			Channel:      Type,
			Table:        table,
			AllowPrivate: cfg.BaseURL != "",
			Secrets:      []string{cfg.Token},
			MaxBody:      maxBody,
			UserAgent:    userAgent,
			Now:          cfg.Now,
		}),
	}, nil
}

// Type is "discord".
func (c *Channel) Type() string { return Type }

// Capabilities are what the channel can do.
func (c *Channel) Capabilities() tasks.Capabilities { return capabilities }

// Pace is the limit of the bot. The routes are those whose buckets Discord tells of
// in its replies: new messages, edits, deletions.
func (c *Channel) Pace(m tasks.Message) ratelimit.Pace {
	route := "delete" // an operation of no envelope
	switch m.Operation {
	case tasks.Send, tasks.SendMedia:
		route = "send"
	case tasks.Edit, tasks.EditMedia:
		route = "edit"
	}
	return ratelimit.Pace{Route: route, Bridge: botLimits}
}

// Send creates a message. One that was created and deleted meanwhile has no id, and
// "already_sent" in its result.
func (c *Channel) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.create(ctx, &m, newBody(&m, m.Text), nil)
}

// Edit changes the text of a message; its attachments stay.
func (c *Channel) Edit(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.change(ctx, &m, editBody(&m, m.Text), nil)
}

// Delete takes back a message. One that is not there any more is success.
func (c *Channel) Delete(ctx context.Context, m tasks.Message) error {
	r, err := c.do(ctx, call{op: opDelete, method: http.MethodDelete, m: &m, message: &m.ExternalMessageID})
	if err != nil {
		return err
	}
	if r.OK() {
		return nil
	}
	if e := c.refused(opDelete, r); e.Code != codeUnknownMessage {
		return e
	}
	return nil
}

// Close closes the connections that are not in use.
func (c *Channel) Close() { c.sender.Close() }

// create posts a new message. Discord says "Unknown Message" of a new message only
// where its nonce is that of a message which has been deleted since
// (https://github.com/discord/discord-api-docs/issues/6647).
func (c *Channel) create(ctx context.Context, m *tasks.Message, b body, file *tasks.Content) (tasks.Delivery, error) {
	r, err := c.do(ctx, call{op: opCreate, method: http.MethodPost, m: m, body: &b, file: file})
	if err != nil {
		return tasks.Delivery{}, err
	}
	if !r.OK() {
		e := c.refused(opCreate, r)
		if e.Code == codeUnknownMessage {
			return tasks.Delivery{Result: map[string]any{"already_sent": true}}, nil
		}
		return tasks.Delivery{}, e
	}
	d, ok := readMessage(r.Body)
	if !ok {
		return tasks.Delivery{}, c.sender.Unclear(opCreate, r, "the reply has no message id")
	}
	d.Pause = pause(r.Header)
	return d, nil
}

// change edits a message. The status settles it: the id is known.
func (c *Channel) change(ctx context.Context, m *tasks.Message, b body, file *tasks.Content) (tasks.Delivery, error) {
	r, err := c.do(ctx, call{op: opEdit, method: http.MethodPatch, m: m, message: &m.ExternalMessageID, body: &b, file: file})
	if err != nil {
		return tasks.Delivery{}, err
	}
	if !r.OK() {
		return tasks.Delivery{}, c.refused(opEdit, r)
	}
	d, _ := readMessage(r.Body)
	d.MessageID, d.Pause = m.ExternalMessageID, pause(r.Header)
	return d, nil
}

func checkToken(token string) error {
	why := ""
	switch {
	case token == "":
		why = "is required"
	case strings.HasPrefix(token, "Bot "):
		why = "must be the token alone, without Bot"
	case !printable(token):
		why = "has characters that no token has"
	default:
		return nil
	}
	return &tasks.ConfigError{Channel: Type, Field: "token", Why: why}
}

// printable is true for what a header can hold as one word.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// parseBase checks the base URL.
func parseBase(raw string) (*url.URL, error) {
	if raw == "" {
		raw = defaultBase
	}
	u, why := httpsend.ParseURL(strings.TrimRight(raw, "/"))
	switch {
	case why != "":
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		why = "must be scheme, host and path alone"
	default:
		return u, nil
	}
	return nil, &tasks.ConfigError{Channel: Type, Field: "base_url", Why: why}
}
