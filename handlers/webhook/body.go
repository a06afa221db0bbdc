package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// types names the operations on the wire.
var types = map[tasks.Operation]string{
	tasks.Send:      "message.send",
	tasks.Edit:      "message.edit",
	tasks.SendMedia: "media.send",
	tasks.EditMedia: "media.edit",
}

type body struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      data   `json:"data"`
}

type data struct {
	ID                string          `json:"id"`
	Operation         tasks.Operation `json:"operation"`
	BridgeID          string          `json:"bridge_id"`
	ExternalRoomID    string          `json:"external_room_id"`
	RoutingKey        string          `json:"routing_key"`
	Text              string          `json:"text,omitempty"`
	Media             *tasks.Media    `json:"media,omitempty"`
	ExternalMessageID string          `json:"external_message_id,omitempty"`
	Attempt           int             `json:"attempt"`
	Chunk             tasks.Chunk     `json:"chunk"`
	Opts              tasks.Opts      `json:"opts,omitzero"`
	CorrelationID     string          `json:"correlation_id,omitempty"`
}

// encode makes the bytes that are signed and sent.
func encode(m *tasks.Message, now time.Time) ([]byte, error) {
	kind, ok := types[m.Operation]
	if !ok {
		return nil, refused(classify.ReasonUnsupportedOperation, "unknown operation")
	}
	b := body{
		Type:      kind,
		Timestamp: now.UTC().Format("2006-01-02T15:04:05.000Z"),
		Data: data{
			ID:                m.ID,
			Operation:         m.Operation,
			BridgeID:          m.BridgeID,
			ExternalRoomID:    m.ExternalRoomID,
			RoutingKey:        m.RoutingKey(),
			ExternalMessageID: m.ExternalMessageID,
			Attempt:           m.Attempt,
			Chunk:             m.Chunk,
			Opts:              m.Opts,
			CorrelationID:     m.CorrelationID,
		},
	}
	if m.Operation.IsMedia() {
		b.Data.Media = m.Media
	} else {
		b.Data.Text = m.Text
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(b); err != nil {
		// Metadata alone can fail, being raw; the encoder's error would quote it.
		return nil, refused(classify.ReasonInvalidRequest, "opts.metadata is not JSON")
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// refused is the error of a message that cannot be put on the wire.
func refused(reason classify.Reason, why string) error {
	return &classify.Error{
		Channel: Type,
		Table:   table,
		Op:      opPost,
		Sent:    classify.SentNo,
		Reason:  reason,
		Err:     errors.New(why),
	}
}
