package httpsend

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"strings"
)

// Part is one part of a form: a field with a Value, or a file with Content.
type Part struct {
	// Name is the name of the field.
	Name  string
	Value string
	// Filename is for a file; MediaType is for a file or a field.
	Filename, MediaType string
	// Content is nil for a field.
	Content *Content
}

// Form encodes parts as multipart/form-data. It returns the value of the Content-Type header,
// and a body that reads the files while it is sent.
func Form(parts ...Part) (contentType string, body *Content, err error) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	var pieces []*Content
	flush := func() {
		text := bytes.Clone(buf.Bytes())
		buf.Reset()
		pieces = append(pieces, &Content{Size: int64(len(text)), Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(text)), nil
		}})
	}
	for _, p := range parts {
		part, err := w.CreatePart(p.header())
		if err != nil {
			return "", nil, fmt.Errorf("form: %w", err)
		}
		if p.Content != nil {
			flush()
			pieces = append(pieces, p.Content)
		} else if _, err := io.WriteString(part, p.Value); err != nil {
			return "", nil, fmt.Errorf("form: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return "", nil, fmt.Errorf("form: %w", err)
	}
	flush()
	return w.FormDataContentType(), join(pieces), nil
}

var quoteEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "%0D", "\n", "%0A")

func (p *Part) header() textproto.MIMEHeader {
	disposition := fmt.Sprintf(`form-data; name="%s"`, quoteEscaper.Replace(p.Name))
	if p.Filename != "" {
		disposition += fmt.Sprintf(`; filename="%s"`, quoteEscaper.Replace(p.Filename))
	}
	h := textproto.MIMEHeader{"Content-Disposition": {disposition}}
	if p.MediaType != "" {
		h.Set("Content-Type", p.MediaType)
	}
	return h
}

// join returns the contents one after the other as one.
func join(pieces []*Content) *Content {
	whole := &Content{}
	for _, p := range pieces {
		whole.Size += p.Size
	}
	whole.Open = func() (io.ReadCloser, error) {
		var open chain
		for _, p := range pieces {
			r, err := p.Open()
			if err != nil {
				_ = open.Close()
				return nil, err
			}
			open.readers, open.closers = append(open.readers, r), append(open.closers, r)
		}
		open.Reader = io.MultiReader(open.readers...)
		return &open, nil
	}
	return whole
}

// chain reads several readers one after the other and closes all of them.
type chain struct {
	io.Reader
	readers []io.Reader
	closers []io.Closer
}

func (c *chain) Close() error {
	var first error
	for _, r := range c.closers {
		if err := r.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
