package slack

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

// Type is the channel's name.
const Type = "slack"

// DefaultBaseURL is Slack's own address.
const DefaultBaseURL = "https://slack.com"

// maxBody bounds a reply: a page of history is the longest that is asked for.
const maxBody = 4 << 20

// The methods of the Web API.
const (
	postMessage    = "chat.postMessage"
	updateMessage  = "chat.update"
	deleteMessage  = "chat.delete"
	readHistory    = "conversations.history"
	readReplies    = "conversations.replies"
	getUploadURL   = "files.getUploadURLExternal"
	completeUpload = "files.completeUploadExternal"
	fileInfo       = "files.info"
)

// capabilities are all four operations, with texts of 4,000 bytes.
var capabilities = tasks.Capabilities{
	Operations:   []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia},
	Idempotency:  tasks.Blind,
	Text:         tasks.Length{Max: maxText, Of: length},
	Caption:      tasks.Length{Max: maxText, Of: length},
	FetchesMedia: true,
	Calls:        []string{"<!channel", "<!here", "<!everyone", "@channel", "@here", "@everyone"},
}

// Config says as whom to post.
type Config struct {
	// Token is the bot's token. It needs the scopes chat:write and, for media,
	// files:write; with files:read what was sent can be edited, too. It is required.
	Token string
	// BaseURL is where /api/chat.postMessage is; empty is DefaultBaseURL. One that is
	// given may be a private address.
	BaseURL string
	// Reconcile stores the token of each text with it, as metadata that every member
	// of the workspace can see, so that Find can tell whether a text arrived. The bot
	// then needs a history scope, channels:history for instance. An app that is
	// distributed outside the Marketplace may read history once a minute and is
	// better off without.
	Reconcile bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Channel posts as one bot. It is safe for concurrent use.
type Channel struct {
	base      *url.URL
	token     string
	reconcile bool
	sender    *httpsend.Sender
	// shareWaits are the pauses before each question where a file is shared.
	shareWaits []time.Duration
}

// New makes a Channel. An error is a *tasks.ConfigError.
func New(cfg Config) (*Channel, error) {
	if err := checkToken(cfg.Token); err != nil {
		return nil, err
	}
	raw := cfg.BaseURL
	if raw == "" {
		raw = DefaultBaseURL
	}
	base, err := parseBase(raw)
	if err != nil {
		return nil, err
	}
	return &Channel{
		base:      base,
		token:     cfg.Token,
		reconcile: cfg.Reconcile,
		sender: httpsend.New(httpsend.Config{
			Channel:      Type,
			Table:        table,
			AllowPrivate: cfg.BaseURL != "",
			Secrets:      []string{cfg.Token},
			MaxBody:      maxBody,
			Now:          cfg.Now,
		}),
		shareWaits: shareWaits,
	}, nil
}

// Type is "slack".
func (c *Channel) Type() string { return Type }

// Capabilities are those of a bot; with Config.Reconcile a lost text can be found.
func (c *Channel) Capabilities() tasks.Capabilities {
	all := capabilities
	if c.reconcile {
		all.Idempotency = tasks.Reconcilable
	}
	return all
}

// Close closes the connections that are not in use.
func (c *Channel) Close() { c.sender.Close() }

type postArgs struct {
	Channel  string    `json:"channel"`
	Text     string    `json:"text"`
	Mrkdwn   bool      `json:"mrkdwn"`
	ThreadTS string    `json:"thread_ts,omitempty"`
	Metadata *metadata `json:"metadata,omitempty"`
}

type updateArgs struct {
	Channel string `json:"channel"`
	TS      string `json:"ts"`
	Text    string `json:"text"`
	Mrkdwn  bool   `json:"mrkdwn"`
	// Parse is "none" in every post unless it says otherwise, and "client" in every
	// update unless it says otherwise.
	Parse string `json:"parse"`
	// Empty lists: what is left out stays as it was.
	Blocks      []struct{} `json:"blocks"`
	Attachments []struct{} `json:"attachments"`
	FileIDs     []string   `json:"file_ids,omitempty"`
}

// Send posts a new text.
func (c *Channel) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	args := postArgs{
		Channel:  m.ExternalRoomID,
		Text:     convert(m.Text, m.Opts.Format),
		Mrkdwn:   formatted(m.Opts.Format),
		ThreadTS: thread(m.Opts),
	}
	if c.reconcile {
		args.Metadata = newMetadata(m.Token)
	}
	a, err := c.callJSON(ctx, postMessage, args)
	if err != nil {
		return tasks.Delivery{}, err
	}
	if a.TS == "" {
		return tasks.Delivery{}, notUnderstood(postMessage, http.StatusOK, errNoTS)
	}
	return delivery(a.channel(m), a.TS), nil
}

// Edit changes a text that was posted before, or the caption of a file.
func (c *Channel) Edit(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	ts, err := c.target(ctx, m)
	if err != nil {
		return tasks.Delivery{}, err
	}
	return c.update(ctx, m, ts, m.Text)
}

// update gives a message a new text, and new files where there are any.
func (c *Channel) update(ctx context.Context, m tasks.Message, ts, text string, files ...string) (tasks.Delivery, error) {
	a, err := c.callJSON(ctx, updateMessage, updateArgs{
		Channel:     m.ExternalRoomID,
		TS:          ts,
		Text:        convert(text, m.Opts.Format),
		Mrkdwn:      formatted(m.Opts.Format),
		Parse:       "none",
		Blocks:      []struct{}{},
		Attachments: []struct{}{},
		FileIDs:     files,
	})
	if err != nil {
		return tasks.Delivery{}, err
	}
	// An update keeps its ts, whatever the reply holds.
	return delivery(a.channel(m), ts), nil
}

// Delete takes back a message. One that is gone already is no error.
func (c *Channel) Delete(ctx context.Context, m tasks.Message) error {
	ts, err := c.target(ctx, m)
	if err == nil {
		_, err = c.callJSON(ctx, deleteMessage, struct {
			Channel string `json:"channel"`
			TS      string `json:"ts"`
		}{m.ExternalRoomID, ts})
	}
	if hasCode(err, "message_not_found", "file_not_found", "file_deleted") {
		return nil
	}
	return err
}

// thread is the ts of the message that is answered.
func thread(o tasks.Opts) string {
	if o.ThreadID != "" {
		return o.ThreadID
	}
	return o.ReplyTo
}

func delivery(channel, ts string) tasks.Delivery {
	return tasks.Delivery{MessageID: ts, Result: map[string]any{"channel": channel, "ts": ts}}
}

// checkToken checks that a token can be sent, never what it is.
func checkToken(token string) error {
	fault := func(why string) error { return &tasks.ConfigError{Channel: Type, Field: "token", Why: why} }
	if token == "" {
		return fault("is required")
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return fault("holds a space or what is no ASCII character")
		}
	}
	return nil
}

// parseBase checks the address of the API.
func parseBase(raw string) (*url.URL, error) {
	fault := func(why string) (*url.URL, error) {
		return nil, &tasks.ConfigError{Channel: Type, Field: "base_url", Why: why}
	}
	u, why := httpsend.ParseURL(raw)
	switch {
	case why != "":
		return fault(why)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fault("must be an address and a path, without a user, a query or a fragment")
	}
	if u.Path == "" {
		u.Path = "/" // JoinPath makes a relative path of none
	}
	return u, nil
}
