package tasks

import (
	"encoding/json"
	"net/url"
)

// MarshalJSON writes the media object if there is one, else the text.
func (p Payload) MarshalJSON() ([]byte, error) {
	if p.Media != nil {
		return compactJSON(p.Media)
	}
	return compactJSON(p.Text)
}

// UnmarshalJSON reads a media object, as strictly as DecodeEnvelope, or a text.
func (p *Payload) UnmarshalJSON(data []byte) (err error) {
	if err := checkSyntax(data); err != nil {
		return err
	}
	*p = Payload{}
	if data[skipSpace(data, 0)] == '{' {
		p.Media, err = readMedia(data)
		return err
	}
	return json.Unmarshal(data, &p.Text)
}

// readPayload takes the payload of an operation; Validate refuses an unknown
// operation, whatever its payload.
func readPayload(o *object, op Operation) (p Payload) {
	if op == Send || op == Edit {
		p.Text = o.text("payload")
		return p
	}
	if raw := o.take("payload"); raw != nil && op.IsMedia() {
		m, err := readMedia(raw)
		o.adopt(err)
		p.Media = m
	}
	return p
}

func readMedia(raw []byte) (*Media, error) {
	o := readObject("payload", "payload.", raw)
	m := &Media{
		Kind:         MediaKind(o.text("kind")),
		URL:          o.optional("url"),
		Data:         o.optional("data"),
		MediaType:    o.optional("media_type"),
		Filename:     o.optional("filename"),
		SizeBytes:    o.positive("size_bytes"),
		Width:        o.positive("width"),
		Height:       o.positive("height"),
		Duration:     o.positive("duration"),
		ThumbnailURL: o.optional("thumbnail_url"),
		Caption:      o.optional("caption"),
		FallbackText: o.optional("fallback_text"),
	}
	return m, o.done()
}

func (p *Payload) check(c *checker, op Operation) {
	if op.IsMedia() {
		c.that(p.Text == "", "payload", "must be an object for media")
		p.Media.check(c)
		return
	}
	c.that(p.Media == nil, "payload", "must be a string for text")
	c.that(p.Text != "", "payload", required)
	c.utf8("payload", p.Text)
}

func (m *Media) check(c *checker) {
	if m == nil {
		c.fail("payload", required)
		return
	}
	c.that(m.Kind != "", "payload.kind", required)
	switch m.Kind {
	case Image, Audio, Video, File:
	default:
		c.fail("payload.kind", "must be image, audio, video or file")
	}
	c.that(m.URL != "" || m.Data != "", "payload.url", "is required where there is no data")
	c.that(m.URL == "" || m.Data == "", "payload.data", "must not be there beside url")
	c.utf8("payload.url", m.URL)
	c.that(m.URL == "" || isWebURL(m.URL), "payload.url", notWebURL)
	c.that(isBase64(m.Data), "payload.data", "must be base64 (standard alphabet, padded, no line breaks)")
	c.utf8("payload.media_type", m.MediaType)
	c.utf8("payload.filename", m.Filename)
	c.positive("payload.size_bytes", m.SizeBytes)
	c.positive("payload.width", m.Width)
	c.positive("payload.height", m.Height)
	c.positive("payload.duration", m.Duration)
	c.utf8("payload.thumbnail_url", m.ThumbnailURL)
	c.that(m.ThumbnailURL == "" || isWebURL(m.ThumbnailURL), "payload.thumbnail_url", notWebURL)
	c.utf8("payload.caption", m.Caption)
	c.utf8("payload.fallback_text", m.FallbackText)
}

const notWebURL = "must be an absolute http or https URL"

func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}

// isBase64 is stricter than encoding/base64, which ignores line breaks, and
// decodes nothing: data can be most of the envelope.
func isBase64(s string) bool {
	digits := len(s)
	for digits > 0 && len(s)-digits < 2 && s[digits-1] == '=' {
		digits--
	}
	for i := range digits {
		if c := s[i]; !isAlphanumeric(c) && c != '+' && c != '/' {
			return false
		}
	}
	return len(s)%4 == 0
}
