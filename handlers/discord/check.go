package discord

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/outgate/outgate/handlers/httpsend"
)

const (
	// opMe names the request in errors.
	opMe   = "get current user"
	mePath = "/api/v10/users/@me"
)

// Check asks Discord who the bot is, which sends nothing. Its error is that of a
// message that could not be sent now either.
func (c *Channel) Check(ctx context.Context) error {
	u := *c.base
	u.Path, u.RawPath = u.Path+mePath, u.EscapedPath()+mePath
	r, err := c.sender.Do(ctx, httpsend.Request{
		Op: opMe, Method: http.MethodGet, URL: &u,
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
		return invalid(opMe, r, "the reply has no user id")
	}
	return nil
}
