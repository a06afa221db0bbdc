package tasks

// CallsAtOnce is how many callers go alone.
func (c *Client) CallsAtOnce() int { return c.together.most }

// SetCallsAtOnce changes that.
func (c *Client) SetCallsAtOnce(n int) { c.together.most = n }

// Waiting is how many callers wait to share a call.
func (c *Client) Waiting() int {
	c.together.mu.Lock()
	defer c.together.mu.Unlock()
	return len(c.together.waiting)
}
