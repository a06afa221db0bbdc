package tasks

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"
)

// Fingerprint is the same for two envelopes with the same content: operation,
// external_message_id and payload, whatever the order of keys or the white space
// of their JSON. It is the SHA-1, in hex, of a list of items, each written as
// its length in bytes in decimal, a colon, and its bytes:
//
//	operation, external_message_id, "t", text
//	operation, external_message_id, "m", kind, url, data, media_type, filename,
//	size_bytes, width, height, duration, thumbnail_url, caption, fallback_text
//
// An integer is written in decimal; what is absent is an empty item. The script
// that admits envelopes computes the same; testdata/fingerprint.json has
// examples.
func (e *Envelope) Fingerprint() string {
	sum := sha1.Sum(e.canonical())
	return hex.EncodeToString(sum[:])
}

func (e *Envelope) canonical() []byte {
	items := []string{string(e.Operation), e.ExternalMessageID, "t", e.Payload.Text}
	if m := e.Payload.Media; m != nil {
		items = append(items[:2], "m", string(m.Kind), m.URL, m.Data, m.MediaType, m.Filename,
			decimal(m.SizeBytes), decimal(m.Width), decimal(m.Height), decimal(m.Duration),
			m.ThumbnailURL, m.Caption, m.FallbackText)
	}
	var b []byte
	for _, s := range items {
		b = strconv.AppendInt(b, int64(len(s)), 10)
		b = append(b, ':')
		b = append(b, s...)
	}
	return b
}

func decimal(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
