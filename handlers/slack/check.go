package slack

import (
	"context"
	"net/url"
)

// testAuth is the method that tells whose the token is.
const testAuth = "auth.test"

// Check asks Slack whose the token is, which posts nothing and needs no scope. Its
// error is that of a message that could not be posted now either.
func (c *Channel) Check(ctx context.Context) error {
	_, err := c.callForm(ctx, testAuth, url.Values{})
	return err
}
