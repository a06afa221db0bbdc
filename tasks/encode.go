package tasks

import (
	"bytes"
	"encoding/json"
)

// Encode checks the envelope and returns its compact JSON, as a client enqueues
// it. Text stays as it is: < > & are not escaped.
func (e *Envelope) Encode() ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	return compactJSON(e)
}

// compactJSON is json.Marshal without the escapes for HTML.
func compactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
