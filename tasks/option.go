package tasks

// Option changes a Client.
type Option func(*Client)

// WithPriority chooses the priority of envelopes that have none; nil chooses none.
func WithPriority(choose func(Envelope) Priority) Option {
	return func(c *Client) { c.priority = choose }
}

// prioritize gives envelopes without a priority the one that the client chooses. The
// caller's slice stays as it is.
func (c *Client) prioritize(envelopes []Envelope) []Envelope {
	if c.priority == nil {
		return envelopes
	}
	all := make([]Envelope, len(envelopes))
	for i, e := range envelopes {
		if e.Priority == "" {
			e.Priority = c.priority(e)
		}
		all[i] = e
	}
	return all
}
