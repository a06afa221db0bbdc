// Package webhook is the channel that posts messages to a URL, signed as Standard
// Webhooks has it (https://www.standardwebhooks.com).
//
// Every attempt of a message carries the same webhook-id, by which a receiver
// drops what it has seen; time and signature are fresh. A receiver's 2xx settles
// the message, even where the body after it breaks off. Redirects are not
// followed, and private addresses are refused unless the configuration allows
// them.
package webhook

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

// Type is the channel's name.
const Type = "webhook"

// opPost names the request in errors.
const opPost = "post"

// capabilities are all four operations; the receiver drops a webhook-id it knows.
var capabilities = tasks.Capabilities{
	Operations:  []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia},
	Idempotency: tasks.Native,
}

// Config says where to post, and how to sign.
type Config struct {
	// URL is the receiver's. It is required; a user and password in it become basic
	// authorization.
	URL string
	// Secret signs the requests; empty signs none. What begins with whsec_ is a key
	// in base64, anything else is the key itself. Of several, separated by spaces,
	// each makes a signature, so that a receiver can change over.
	Secret string
	// AllowPrivate lets the URL stand for a loopback, private or link-local address,
	// and lets the proxy of the environment be used.
	AllowPrivate bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Channel posts messages to one URL. It is safe for concurrent use.
type Channel struct {
	url    *url.URL
	keys   [][]byte
	now    func() time.Time
	sender *httpsend.Sender
	// private is Config.AllowPrivate.
	private bool
}

// New makes a Channel. An error is a *tasks.ConfigError.
func New(cfg Config) (*Channel, error) {
	u, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(cfg.Secret)
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Channel{
		url:     u,
		keys:    keys,
		now:     cfg.Now,
		private: cfg.AllowPrivate,
		sender: httpsend.New(httpsend.Config{
			Channel:      Type,
			Table:        table,
			AllowPrivate: cfg.AllowPrivate,
			Secrets:      append(urlSecrets(u), strings.Fields(cfg.Secret)...),
			Now:          cfg.Now,
		}),
	}, nil
}

// Type is "webhook".
func (c *Channel) Type() string { return Type }

// Capabilities are what the channel can do.
func (c *Channel) Capabilities() tasks.Capabilities { return capabilities }

// Send posts a new text.
func (c *Channel) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.post(ctx, m)
}

// Edit posts the new text of a message sent before.
func (c *Channel) Edit(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.post(ctx, m)
}

// SendMedia posts new media.
func (c *Channel) SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.post(ctx, m)
}

// EditMedia posts the new media of a message sent before.
func (c *Channel) EditMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.post(ctx, m)
}

// Close closes the connections that are not in use.
func (c *Channel) Close() { c.sender.Close() }

func (c *Channel) post(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	now := c.now()
	body, err := encode(&m, now)
	if err != nil {
		return tasks.Delivery{}, err
	}
	reply, err := c.sender.Do(ctx, httpsend.Request{
		Op:     opPost,
		Method: http.MethodPost,
		URL:    c.url,
		Header: c.header(&m, now, body),
		Body:   body,
	})
	if err != nil {
		return tasks.Delivery{}, err
	}
	if !reply.OK() {
		return tasks.Delivery{}, c.sender.Refused(opPost, reply, "", string(reply.Body))
	}
	d := tasks.Delivery{MessageID: m.Token, Result: map[string]any{"status": reply.Status}}
	if reply.Cut == nil {
		readReply(reply.Body, &d)
	}
	return d, nil
}

// header is the header of one attempt over exactly these bytes.
func (c *Channel) header(m *tasks.Message, now time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(now.Unix(), 10)
	h := http.Header{
		"Content-Type":      {"application/json"},
		"Webhook-Id":        {m.Token},
		"Webhook-Timestamp": {stamp},
	}
	if len(c.keys) > 0 {
		h["Webhook-Signature"] = []string{sign(c.keys, m.Token, stamp, body)}
	}
	if printable(m.Traceparent) {
		h["Traceparent"] = []string{m.Traceparent}
	}
	return h
}

// printable is true for what a header can hold: a caller's traceparent that is
// none must not fail the message.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// parseURL checks the receiver's URL.
func parseURL(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, &tasks.ConfigError{Channel: Type, Field: "url", Why: "is required"}
	}
	u, why := httpsend.ParseURL(raw)
	if why != "" {
		return nil, &tasks.ConfigError{Channel: Type, Field: "url", Why: why}
	}
	return u, nil
}

// minWord is the length from which a word of a URL can be a token: replacing
// every shorter one would only spoil the errors.
const minWord = 8

// urlSecrets are the parts of a URL that may be tokens.
func urlSecrets(u *url.URL) []string {
	var secrets []string
	if u.User != nil {
		name := u.User.Username()
		password, ok := u.User.Password()
		if !ok {
			password = name
		}
		basic := http.Request{Header: http.Header{}}
		basic.SetBasicAuth(name, password)
		secrets = append(secrets, password, strings.TrimPrefix(basic.Header.Get("Authorization"), "Basic "))
	}
	// As they go out, and as they are meant.
	words := append(strings.Split(u.EscapedPath(), "/"), strings.Split(u.Path, "/")...)
	words = append(words, strings.FieldsFunc(u.RawQuery, func(r rune) bool { return strings.ContainsRune("&;=", r) })...)
	for _, values := range u.Query() {
		words = append(words, values...)
	}
	for _, w := range words {
		if len(w) >= minWord {
			secrets = append(secrets, w)
		}
	}
	return secrets
}
