package webhook

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/outgate/outgate/tasks"
)

// readReply takes the result, and the message id in it, from the body of a reply
// that accepted the message. Anything but one JSON object leaves d as it is: the
// receiver owes no body.
func readReply(body []byte, d *tasks.Delivery) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // an id may have more digits than a float
	var result map[string]any
	if dec.Decode(&result) != nil || result == nil {
		return
	}
	if _, err := dec.Token(); err != io.EOF {
		return
	}
	d.Result = result
	switch id := result["message_id"].(type) {
	case string:
		if id != "" {
			d.MessageID = id
		}
	case json.Number:
		d.MessageID = id.String()
	}
}
