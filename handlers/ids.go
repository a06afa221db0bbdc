package handlers

import "strconv"

// chunkToken is the idempotency token of one piece of several.
func chunkToken(id string, piece int) string { return id + "." + strconv.Itoa(piece) }

// slotToken names what a limiter's slot is for: one attempt of one piece. What was
// refused for its pace spent none, so the next send has its token, but not its slot: that
// lies before the end of the closure.
func (h *handler) slotToken(d *delivery, piece int) string {
	return chunkToken(d.id, piece) + "." + strconv.Itoa(d.turn.Try)
}
