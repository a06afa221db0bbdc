package matrix

import "context"

// Check asks the homeserver whose the access token is, which sends nothing. Its
// error is that of a message that could not be sent now either.
func (c *Channel) Check(ctx context.Context) error {
	// Not what is remembered of it: the token may have been revoked since.
	_, err := c.ask(ctx, "whoami", "user_id", "client", "v3", "account", "whoami")
	return err
}
