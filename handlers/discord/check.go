package discord

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/outgate/outgate/handlers/httpsend"
)

// opMe names the request in errors.
const opMe = "get current user"

// Check asks Discord who the bot is, which sends nothing. Its error is that of a
// message that could not be sent now either.
func (c *Channel) Check(ctx context.Context) error {
	u, err := httpsend.Join(c.base, "api", apiVersion, "users", "@me")
	if err != nil {
		return c.sender.Unsendable(opMe, err)
	}
	r, err := c.sender.Do(ctx, httpsend.Request{
		Op: opMe, Method: http.MethodGet, URL: u,
		Header: http.Header{"Authorization": {"Bot " + c.token}},
	})
	if err != nil {
		return err
	}
	if !r.OK() {
		return c.refused(opMe, r)
	}
	var user struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(r.Body, &user) != nil || user.ID == "" {
		return c.sender.Unclear(opMe, r, "the reply has no user id")
	}
	return nil
}
