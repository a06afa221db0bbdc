// Package discordfake stands in for Discord in tests and in development: the part
// of its HTTP API (https://docs.discord.com/developers/reference) that a bot needs
// to create, change, delete, read and list messages, and to ask who it is.
//
// It checks the token, the User-Agent and the form of a request, counts requests as
// Discord does and tells of it in the same headers, drops a message with a nonce it
// knows, and refuses in Discord's words. Every id that is a number is a channel,
// unless Config names those there are; a thread is a channel like any other.
package discordfake

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

const (
	// DefaultMaxFile is the longest file of a bot: 10 MiB.
	DefaultMaxFile = 10 << 20
	// DefaultNonceWindow is how long a nonce is remembered: "the past few minutes".
	DefaultNonceWindow = 3 * time.Minute
	// maxRequest bounds a whole request: 25 MiB.
	maxRequest = 25 << 20
	maxFiles   = 10
	maxContent = 2000
	maxNonce   = 25
)

// Config says how the fake begins.
type Config struct {
	// Token is the bot's; empty takes every token.
	Token string
	// Limits are how many requests there may be.
	Limits Limits
	// Channels are the channels there are; none is for every number.
	Channels []string
	// MaxFile is the longest file, in bytes; zero is DefaultMaxFile.
	MaxFile int64
	// NonceWindow is how long a nonce is remembered; zero is DefaultNonceWindow.
	NonceWindow time.Duration
	// Now is the clock by which nonces are forgotten; nil is time.Now.
	Now func() time.Time
}

// Fake is a Discord of its own. Its methods may be called from many goroutines.
type Fake struct {
	fakes.Base

	maxFile     int64
	nonceWindow time.Duration
	now         func() time.Time

	mu       sync.Mutex
	token    string
	limits   Limits
	channels map[string]bool // nil for every number
	gone     map[string]bool
	buckets  map[bucketKey]*bucket
	nonces   nonces
	details  map[string]*details // by the id of a message
	files    int64               // how many there were
}

// New makes a Fake.
func New(cfg Config) *Fake {
	f := &Fake{
		maxFile:     cmp.Or(cfg.MaxFile, DefaultMaxFile),
		nonceWindow: cmp.Or(cfg.NonceWindow, DefaultNonceWindow),
		now:         cfg.Now,
		token:       cfg.Token,
		gone:        make(map[string]bool),
		buckets:     make(map[bucketKey]*bucket),
		details:     make(map[string]*details),
	}
	if f.now == nil {
		f.now = time.Now
	}
	f.Limit(cfg.Limits)
	for _, id := range cfg.Channels {
		if f.channels == nil {
			f.channels = make(map[string]bool)
		}
		f.channels[id] = true
	}
	return f
}

// SetToken changes the token; whoever has another is unauthorized from now on. Empty
// takes every token.
func (f *Fake) SetToken(token string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.token = token
}

// Remove deletes a channel: it is unknown from now on.
func (f *Fake) Remove(channel string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone[channel] = true
}

// ServeHTTP answers as Discord does.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.Count(func(c *fakes.Counts) { c.Requests++ })
	c := &call{Fake: f, w: w, r: r}
	if !c.admitted() {
		return
	}
	if r.URL.Path == "/api/v10/users/@me" && r.Method == http.MethodGet {
		c.answer(http.StatusOK, bot)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v10/channels/")
	parts := strings.Split(path, "/")
	if !ok || len(parts) < 2 || len(parts) > 3 || parts[1] != "messages" {
		c.refuse(http.StatusNotFound, 0, "404: Not Found", nil)
		return
	}
	c.channel = parts[0]
	if len(parts) == 3 {
		c.message = parts[2]
	}
	serve, ok := c.operation()
	if !ok {
		c.refuse(http.StatusMethodNotAllowed, 0, "405: Method Not Allowed", nil)
		return
	}
	if c.counted() && c.known() {
		serve()
	}
}

// call is one request.
type call struct {
	*Fake

	w                http.ResponseWriter
	r                *http.Request
	channel, message string
}

// operation finds what a request asks for; it answers false for nothing there is.
func (c *call) operation() (serve func(), ok bool) {
	of := map[string]func(){http.MethodPost: c.create, http.MethodGet: c.list}
	if c.message != "" {
		of = map[string]func(){http.MethodGet: c.read, http.MethodPatch: c.edit, http.MethodDelete: c.remove}
	}
	serve, ok = of[c.r.Method]
	return serve, ok
}

// admitted checks what is checked of every request: who asks, with what, and how
// often.
func (c *call) admitted() bool {
	if !strings.HasPrefix(c.r.UserAgent(), "DiscordBot (") {
		c.refuse(http.StatusForbidden, 40333, "internal network error", nil)
		return false
	}
	c.mu.Lock()
	want, limit := c.token, c.limits.Global
	c.mu.Unlock()
	token, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bot ")
	if !ok || token == "" || want != "" && token != want {
		c.refuse(http.StatusUnauthorized, 0, "401: Unauthorized", nil)
		return false
	}
	if wait, ok := c.Take("bot", []fakes.Limit{limit}); !ok {
		c.w.Header().Set("X-RateLimit-Global", "true")
		c.throttle(wait, "global")
		return false
	}
	return true
}

// known checks that the ids are ids, and that there is such a channel.
func (c *call) known() bool {
	for name, id := range map[string]string{"channel_id": c.channel, "message_id": c.message} {
		if _, err := strconv.ParseUint(id, 10, 64); err != nil && id != "" {
			c.refuse(http.StatusBadRequest, 50035, "Invalid Form Body", faults{
				name: fault("NUMBER_TYPE_COERCE", `Value "`+id+`" is not snowflake.`),
			})
			return false
		}
	}
	c.mu.Lock()
	known := !c.gone[c.channel] && (c.channels == nil || c.channels[c.channel])
	c.mu.Unlock()
	if !known {
		c.refuse(http.StatusNotFound, 10003, "Unknown Channel", nil)
	}
	return known
}
