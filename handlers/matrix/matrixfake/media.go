package matrixfake

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

// Upload is what is known of uploaded media.
type Upload struct {
	Filename, MediaType string
	Size                int64
	// SHA256 is that of the bytes, which are not kept.
	SHA256 [sha256.Size]byte
}

// Upload is what was uploaded to an address like "mxc://fake.example/1"; the answer
// is false for nothing.
func (f *Fake) Upload(uri string) (Upload, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u, ok := f.uploads[uri]
	return u, ok
}

// Uploads is how many media were uploaded.
func (f *Fake) Uploads() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.uploads)
}

func (f *Fake) config(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	most := f.limits.UploadBytes
	f.mu.Unlock()
	answer(w, map[string]int64{"m.upload.size": most})
}

func (f *Fake) upload(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	most := f.limits.UploadBytes
	f.mu.Unlock()
	switch {
	case r.ContentLength < 0:
		f.refuse(w, http.StatusBadRequest, "M_UNKNOWN", "Request must specify a Content-Length")
		return
	case r.ContentLength > most:
		f.refuse(w, http.StatusRequestEntityTooLarge, "M_TOO_LARGE", "Upload request body is too large")
		return
	}
	hash := sha256.New()
	n, err := io.Copy(hash, r.Body)
	if err != nil {
		return // the client broke off
	}
	u := Upload{Filename: r.URL.Query().Get("filename"), MediaType: r.Header.Get("Content-Type"), Size: n}
	hash.Sum(u.SHA256[:0])
	if u.MediaType == "" {
		u.MediaType = "application/octet-stream"
	}
	f.mu.Lock()
	uri := fmt.Sprintf("mxc://fake.example/%d", len(f.uploads)+1)
	f.uploads[uri] = u
	f.mu.Unlock()
	if !f.Lost(w) {
		answer(w, map[string]string{"content_uri": uri})
	}
}

// media adds what is known of a message's media. The caller holds mu.
func (f *Fake) media(c *content, m *fakes.Message) {
	if c.URL == "" {
		return
	}
	m.Media, m.Bytes = c.Filename, f.uploads[c.URL].Size
	if m.Media == "" || m.Media == m.Text {
		// Without another name beside it, the body is the name and no caption.
		m.Media, m.Text = m.Text, ""
	}
}
