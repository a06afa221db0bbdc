package xmpp

import (
	"context"
	"crypto/x509"
	"net"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

// Type is the channel's name.
const Type = "xmpp"

// maxText is how many bytes of XML the text of a message may have: see Limits in
// the package's comment.
const maxText = 8000

// capabilities are all four operations; a lost reply leaves a message open.
var capabilities = tasks.Capabilities{
	Operations:   []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia},
	Idempotency:  tasks.Blind,
	Text:         tasks.Length{Max: maxText, Of: escapedLen},
	Caption:      tasks.Length{Max: maxText, Of: escapedLen},
	FetchesMedia: true,
}

// Config says who sends, and over which server.
type Config struct {
	// JID is the account, user@domain. It is required, and has no resource: each
	// connection gets its own from the server, so that several workers can have one.
	JID string
	// Password is the account's. It is required.
	Password string
	// Server is the host and port to connect to; empty finds it by the JID's domain.
	// What is given here may be private, and so may be the addresses that the server
	// gives for uploads.
	Server string
	// AllowPlain does without TLS. It is implied where Server is a loopback address
	// and CAs is nil. Otherwise the connection is encrypted or not made.
	AllowPlain bool
	// CAs sign the server's certificate; nil is for those that the system trusts.
	CAs *x509.CertPool
	// MUC are domains known to be conference services. Other domains are asked.
	MUC []string
	// Nick is the name in rooms of many; empty is the user part of the JID.
	Nick string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Channel sends messages over one stream. It is safe for concurrent use.
type Channel struct {
	jid      jid.JID
	password string
	server   string
	plain    bool
	cas      *x509.CertPool
	muc      map[string]bool
	nick     string
	now      func() time.Time
	sender   *httpsend.Sender
	timing   timing
	resolver *net.Resolver

	mu      sync.Mutex
	stream  *stream
	opening *opening
	retry   retry
	closed  bool
}

// timing bounds what no context does.
type timing struct {
	// connect is for opening a stream, write for giving a stanza to the network.
	connect, write time.Duration
	// idle is how long a silent stream is believed in, pong how long it then has to
	// answer. A server that throttles may be slow to.
	idle, pong time.Duration
}

// New makes a Channel; it connects with its first message. An error is a
// *tasks.ConfigError.
func New(cfg Config) (*Channel, error) {
	own, err := parseConfig(&cfg)
	if err != nil {
		return nil, err
	}
	muc := make(map[string]bool, len(cfg.MUC))
	for _, domain := range cfg.MUC {
		muc[domain] = true
	}
	return &Channel{
		jid:      own,
		password: cfg.Password,
		server:   cfg.Server,
		plain:    cfg.AllowPlain || cfg.CAs == nil && loopback(cfg.Server),
		cas:      cfg.CAs,
		muc:      muc,
		nick:     cfg.Nick,
		now:      cfg.Now,
		timing:   timing{connect: 30 * time.Second, write: 30 * time.Second, idle: time.Minute, pong: 30 * time.Second},
		sender: httpsend.New(httpsend.Config{
			Channel:      Type,
			Table:        table,
			AllowPrivate: cfg.Server != "",
			Secrets:      secrets(own, cfg.Password),
			Now:          cfg.Now,
		}),
	}, nil
}

// Type is "xmpp".
func (c *Channel) Type() string { return Type }

// Capabilities are what the channel can do.
func (c *Channel) Capabilities() tasks.Capabilities { return capabilities }

// Send sends a new text.
func (c *Channel) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, "send", &m)
}

// Edit sends the new text of a message sent before.
func (c *Channel) Edit(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, "edit", &m)
}

// SendMedia uploads media and sends its address.
func (c *Channel) SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, "send_media", &m)
}

// EditMedia uploads media and sends its address in the place of another.
func (c *Channel) EditMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	return c.deliver(ctx, "edit_media", &m)
}
