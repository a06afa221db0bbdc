package telegram

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

// Type is the channel's name.
const Type = "telegram"

const (
	defaultBaseURL = "https://api.telegram.org"
	// maxText and maxCaption count code points after the markup is taken out.
	maxText    = 4096
	maxCaption = 1024
	// maxReply bounds a reply: it holds the message, and the one it replies to, each
	// with up to twelve bytes a code point.
	maxReply = 1 << 20
)

// capabilities are all four operations, and nothing against doubles. Lengths count
// the markup, which only makes a text shorter than it seems.
var capabilities = tasks.Capabilities{
	Operations:  []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia},
	Idempotency: tasks.Blind,
	Text:        tasks.Length{Max: maxText},
	Caption:     tasks.Length{Max: maxCaption},
}

// Config says which bot sends.
type Config struct {
	// Token is the bot's, as @BotFather gave it. It is required.
	Token string
	// BaseURL is the address of a Bot API server; empty is Telegram's own. One that
	// is given may be private.
	BaseURL string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Channel sends as one bot. It is safe for concurrent use.
type Channel struct {
	urls   map[string]*url.URL
	sender *httpsend.Sender
	moves  moves
}

// New makes a Channel. An error is a *tasks.ConfigError.
func New(cfg Config) (*Channel, error) {
	if err := checkToken(cfg.Token); err != nil {
		return nil, err
	}
	base, err := parseBaseURL(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	c := &Channel{
		urls: make(map[string]*url.URL),
		sender: httpsend.New(httpsend.Config{
			Channel:      Type,
			Table:        table,
			AllowPrivate: cfg.BaseURL != "",
			Secrets:      append(userSecrets(base), cfg.Token),
			MaxBody:      maxReply,
			Now:          cfg.Now,
		}),
	}
	for _, method := range methods {
		c.urls[method] = base.JoinPath("bot"+cfg.Token, method)
	}
	return c, nil
}

// Type is "telegram".
func (c *Channel) Type() string { return Type }

// Capabilities are what the channel can do.
func (c *Channel) Capabilities() tasks.Capabilities { return capabilities }

// Send sends a new text.
func (c *Channel) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, &m, sendCall)
}

// Edit changes the text of a message sent before, or its caption if it is media.
func (c *Channel) Edit(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, &m, editCall)
}

// SendMedia sends new media.
func (c *Channel) SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, &m, sendMediaCall)
}

// EditMedia changes the media of a message sent before, or turns a text into media.
func (c *Channel) EditMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, &m, editMediaCall)
}

// Delete takes back a message. One that is gone already is a success.
func (c *Channel) Delete(ctx context.Context, m tasks.Message) error {
	_, err := c.deliver(ctx, &m, deleteCall)
	return err
}

// Close closes the connections that are not in use.
func (c *Channel) Close() { c.sender.Close() }

// checkToken keeps a token out of the URL that would change its meaning there.
func checkToken(token string) error {
	if token == "" {
		return &tasks.ConfigError{Channel: Type, Field: "token", Why: "is required"}
	}
	for _, r := range token {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && !strings.ContainsRune(":_-", r) {
			return &tasks.ConfigError{Channel: Type, Field: "token", Why: "has characters that no token has"}
		}
	}
	return nil
}

// parseBaseURL checks the address of the server.
func parseBaseURL(raw string) (*url.URL, error) {
	if raw == "" {
		raw = defaultBaseURL
	}
	fault := func(why string) (*url.URL, error) {
		return nil, &tasks.ConfigError{Channel: Type, Field: "base_url", Why: why}
	}
	u, why := httpsend.ParseURL(raw)
	switch {
	case why != "":
		return fault(why)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fault("must end with its path")
	}
	if u.Path == "" {
		u.Path = "/" // or what is joined to it is no path
	}
	return u, nil
}

// userSecrets are what is secret in the address of the server.
func userSecrets(u *url.URL) []string {
	if u.User == nil {
		return nil
	}
	password, ok := u.User.Password()
	basic := http.Request{Header: http.Header{}}
	basic.SetBasicAuth(u.User.Username(), password)
	if !ok {
		password = u.User.Username()
	}
	return []string{password, strings.TrimPrefix(basic.Header.Get("Authorization"), "Basic ")}
}
