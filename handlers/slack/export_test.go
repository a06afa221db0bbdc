package slack

import (
	"net/url"
	"time"

	"github.com/outgate/outgate/handlers/httpsend"
)

// Read reads a reply of chat.postMessage, for fuzzing, and in it the messages of the
// file F1 in the channel C1.
func Read(status int, body []byte) (a any, ts []string, err error) {
	c := &Channel{sender: httpsend.New(httpsend.Config{Channel: Type})}
	answer, err := c.read(postMessage, httpsend.Reply{Status: status, Body: body})
	for _, found := range []string{answer.share("F1", "C1"), answer.File.in("C1")} {
		if found != "" {
			ts = append(ts, found)
		}
	}
	return answer, ts, err
}

// UploadURL is true for an address that bytes are uploaded to.
func UploadURL(base, raw string) bool {
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	_, ok := (&Channel{base: u}).uploadURL(raw)
	return ok
}

// ShareWaits has a channel wait that long before each time it asks whether a file is
// shared.
func (c *Channel) ShareWaits(waits ...time.Duration) { c.shareWaits = waits }

// Table is what each error of the channel carries.
var Table = table
