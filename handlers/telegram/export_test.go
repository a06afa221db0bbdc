package telegram

import (
	"time"

	"github.com/outgate/outgate/handlers/httpsend"
)

// MethodURL is the address of a method.
func MethodURL(c *Channel, method string) string { return c.urls[method].String() }

// Moved is how many moves a channel remembers.
func Moved(c *Channel) int { return len(c.moves.to) }

// Read is what a body of a reply says: whether it accepts, with which message, and
// how long it asks to wait.
func Read(status int, body []byte) (accepted bool, id string, wait time.Duration, err error) {
	a, err := readAnswer(sendMessage, httpsend.Reply{Status: status, Body: body})
	if err != nil {
		return false, "", 0, err
	}
	return a.accepted, a.messageID(), a.retryAfter(), nil
}

// Table is what each error of the channel carries.
var Table = table
