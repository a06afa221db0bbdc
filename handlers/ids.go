package handlers

import (
	"fmt"
	"strconv"
	"time"

	"github.com/outgate/outgate/partition"
)

// admittedAt reads the time of admission out of an envelope id.
func admittedAt(id string) (time.Time, error) {
	if _, err := partition.IndexOf(id); err != nil {
		return time.Time{}, err
	}
	us, err := strconv.ParseInt(id[4:], 16, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("envelope id %q: %w", id, err)
	}
	return time.UnixMicro(us), nil
}

// chunkToken is the idempotency token of one piece of several.
func chunkToken(id string, piece int) string { return id + "." + strconv.Itoa(piece) }

// slotToken names what a limiter's slot is for: one attempt of one piece.
func (h *handler) slotToken(d *delivery, piece int) string {
	return chunkToken(d.id, piece) + "." + strconv.Itoa(d.turn.Try)
}
