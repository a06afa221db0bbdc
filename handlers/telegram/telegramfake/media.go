package telegramfake

import (
	"net/url"
	"strings"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

// media is a photo, a video, an audio or a document: a file, or a link.
type media struct {
	kind, name string
	bytes      int64
	link       bool
}

// media finds the media of a kind in the form, or takes a link to it.
func (q *query) media(kind, value string) (*media, *fault) {
	part := kind
	if attached, ok := strings.CutPrefix(value, "attach://"); ok {
		part = attached
	}
	if file, ok := q.files[part]; ok {
		if file.size > maxFile || kind == "photo" && file.size > maxPhoto {
			return nil, badRequest("file is too big")
		}
		if file.size == 0 {
			return nil, badRequest("file must be non-empty")
		}
		return &media{kind: kind, name: file.name, bytes: file.size}, nil
	}
	if value == "" {
		return nil, badRequest("there is no %s in the request", kind)
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, badRequest("wrong file identifier/HTTP URL specified")
	}
	return &media{kind: kind, name: value, link: true}, nil
}

func (f *Fake) setKind(msg fakes.Message, m *media) {
	if m == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kinds[[2]string{msg.Room, msg.ID}] = m.kind
}

// Kind is what the media of a message are: "photo", "video", "audio" or "document",
// and empty for a text.
func (f *Fake) Kind(room, id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.kinds[[2]string{room, id}]
}
