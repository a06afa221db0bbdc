package xmpp

import "context"

// Check connects and logs in, which sends nothing. Its error is that of a message
// that could not be sent now either. The stream stays for the first message.
func (c *Channel) Check(ctx context.Context) error {
	if _, fail := c.live(ctx, "connect"); fail != nil {
		return fail
	}
	return nil
}
