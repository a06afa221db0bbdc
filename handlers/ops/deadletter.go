package ops

import (
	"encoding/json"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// DeadLetter is the record of an envelope that was set aside.
type DeadLetter struct {
	// ID is the envelope's.
	ID             string            `json:"id"`
	BridgeID       string            `json:"bridge_id"`
	ExternalRoomID string            `json:"external_room_id"`
	Operation      tasks.Operation   `json:"operation"`
	Category       classify.Category `json:"category"`
	Reason         classify.Reason   `json:"reason"`
	// DiedAtMS is when it was set aside, in unix milliseconds.
	DiedAtMS int64 `json:"died_at_ms"`
	// Held is true where its line waits for an operator.
	Held bool `json:"held"`
	// MessageIDs are of the pieces that were delivered.
	MessageIDs []string `json:"message_ids,omitempty"`
	// Line names the line it was in.
	Line string `json:"line"`
	// Envelope is the caller's JSON.
	Envelope json.RawMessage      `json:"envelope"`
	Outcome  *tasks.OutboundError `json:"outcome"`
	// ReplayedAs is the id it was admitted again under, empty if it was not.
	ReplayedAs string `json:"replayed_as,omitempty"`
}

// ParseDeadLetter reads a dead letter as Redis has it; false if there is none (any more).
// Of one that cannot be read only its id and Reason, ReasonUnknown, are told.
func ParseDeadLetter(id string, r partition.DeadLetterRecord) (DeadLetter, bool) {
	if !r.Found {
		return DeadLetter{}, false
	}
	var d DeadLetter
	if json.Unmarshal([]byte(r.JSON), &d) != nil {
		d = DeadLetter{Reason: classify.ReasonUnknown}
	}
	d.ID, d.ReplayedAs = id, r.ReplayedAs
	return d, true
}
