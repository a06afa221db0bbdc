package xmpp

import (
	"net"
	"time"
)

// Hasten makes a channel less patient: with a silent server, and with one that does
// not answer.
func (c *Channel) Hasten(connect, write, idle, pong time.Duration) {
	c.timing = timing{connect: connect, write: write, idle: idle, pong: pong}
}

// Resolve makes a channel look up names in another way.
func (c *Channel) Resolve(r *net.Resolver) { c.resolver = r }

// MaxQueue is how many frames wait for the writer.
const MaxQueue = maxQueue

// MaxKept is how many attempts are kept whose caller went away.
const MaxKept = maxKept

// Kept counts the attempts that are remembered.
func (c *Channel) Kept() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return len(c.stream.attempts)
}

// Body is an element with a text.
func Body(text string) []byte { return leaf(nil, "body", text, "id", text) }

// Queued counts them.
func (c *Channel) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream == nil {
		return 0
	}
	return len(c.stream.out)
}

// Table is what each error of the channel carries.
var Table = table
