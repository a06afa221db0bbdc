package matrix

import (
	"net/url"
	"strings"
	"time"

	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// Type is the channel's name.
const Type = "matrix"

const (
	// window is how long Synapse and Dendrite surely remember a transaction.
	window = 30 * time.Minute
	// maxPage bounds a reply with many events: 100 of 65,536 bytes and what a
	// homeserver adds to each.
	maxPage = 8 << 20
)

// pace is Synapse's rc_message, 0.2 a second with a burst of 10, which counts all
// that a user sends. In windows its bucket never runs dry.
var pace = ratelimit.Pace{Bridge: ratelimit.Must("10/50s")}

// capabilities are all four operations; the homeserver drops a transaction that it
// knows, and fetches no media by itself.
var capabilities = tasks.Capabilities{
	Operations:   []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia},
	Idempotency:  tasks.Native,
	Window:       window,
	Text:         tasks.Length{Max: maxText, Of: units},
	Caption:      tasks.Length{Max: maxCaption, Of: units},
	FetchesMedia: true,
	Calls:        []string{"@room"},
}

// Config says which homeserver to write to, and as whom.
type Config struct {
	// Token is the access token of the user that writes. It is required.
	Token string
	// BaseURL is the homeserver's address for clients, "https://matrix.example.org"
	// for instance. It is required, and may be a private one.
	BaseURL string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Channel writes to the rooms of one homeserver as one user. It is safe for
// concurrent use.
type Channel struct {
	base   *url.URL
	token  string
	sender *httpsend.Sender
	// reader is for replies that are longer than those to a message.
	reader *httpsend.Sender
	// rooms are the ids of aliases, uploads the mxc URIs of tokens, facts what was
	// asked of the homeserver.
	rooms, uploads, facts *memo
}

// New makes a Channel. An error is a *tasks.ConfigError.
func New(cfg Config) (*Channel, error) {
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if cfg.Token == "" {
		return nil, fault("token", "is required")
	}
	if strings.ContainsFunc(cfg.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fault("token", "has characters that no access token has")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	sender := func(maxBody int64) *httpsend.Sender {
		return httpsend.New(httpsend.Config{
			Channel:      Type,
			Table:        table,
			AllowPrivate: true, // the operator names the homeserver
			Secrets:      []string{cfg.Token},
			MaxBody:      maxBody,
			Now:          cfg.Now,
		})
	}
	return &Channel{
		base:    base,
		token:   cfg.Token,
		sender:  sender(0),
		reader:  sender(maxPage),
		rooms:   newMemo(10*time.Minute, cfg.Now),
		uploads: newMemo(window, cfg.Now),
		facts:   newMemo(time.Hour, cfg.Now),
	}, nil
}

// Type is "matrix".
func (c *Channel) Type() string { return Type }

// Capabilities are what the channel can do.
func (c *Channel) Capabilities() tasks.Capabilities { return capabilities }

// Pace is Synapse's default for a user: edits count as messages, rooms do not
// matter.
func (c *Channel) Pace(tasks.Message) ratelimit.Pace { return pace }

// Close closes the connections that are not in use.
func (c *Channel) Close() {
	c.sender.Close()
	c.reader.Close()
}

// parseBase checks the address of the homeserver. What net/url has to say of a bad
// one may quote a part of it, so it is not passed on.
func parseBase(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, fault("base_url", "is required: a homeserver has no default")
	}
	u, why := httpsend.ParseURL(raw)
	switch {
	case why != "":
		return nil, fault("base_url", why)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fault("base_url", "may have a path, but no user, query or fragment")
	}
	return u, nil
}

func fault(field, why string) error {
	return &tasks.ConfigError{Channel: Type, Field: field, Why: why}
}
