package telegram

import (
	"context"
	"net/http"

	"github.com/outgate/outgate/handlers/httpsend"
)

// getMe is the method that tells who the bot is.
const getMe = "getMe"

// Check asks Telegram who the bot is, which sends nothing. Its error is that of a
// message that could not be sent now either.
func (c *Channel) Check(ctx context.Context) error {
	reply, err := c.sender.Do(ctx, httpsend.Request{
		Op: getMe, Method: http.MethodGet, URL: c.urls[sendMessage].JoinPath("..", getMe),
	})
	if err != nil {
		return err
	}
	a, err := readAnswer(getMe, reply)
	if err == nil && !a.accepted {
		err = c.refused(&call{method: getMe}, a)
	}
	return err
}
