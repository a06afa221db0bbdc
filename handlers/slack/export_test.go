package slack

import (
	"net/url"

	"github.com/outgate/outgate/handlers/internal/httpsend"
)

// Read reads a reply of chat.postMessage, for fuzzing.
func Read(status int, body []byte) (any, error) {
	c := &Channel{sender: httpsend.New(httpsend.Config{Channel: Type})}
	return c.read(postMessage, httpsend.Reply{Status: status, Body: body})
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
