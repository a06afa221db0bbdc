package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

const opUpload = "upload"

// upload stores the media on the homeserver and gives their address there. Another
// attempt of the message finds them stored. No error leaves a doubt: nothing is in
// the room yet.
func (c *Channel) upload(ctx context.Context, m *tasks.Message) (string, error) {
	if m.Media == nil || m.Content == nil {
		return "", rejected("the media have no content")
	}
	if uri, ok := c.uploads.get(m.Token); ok {
		return uri, nil
	}
	// A homeserver may close the connection on too large a file before it says so.
	if most := c.uploadLimit(ctx); most > 0 && m.Content.Size > most {
		return "", rejected(fmt.Sprintf("the homeserver takes media of at most %d bytes, not of %d", most, m.Content.Size))
	}
	mediaType := m.Content.MediaType
	if mediaType == "" {
		mediaType = "application/octet-stream"
	}
	reply, err := c.call(ctx, request{
		op: opUpload, method: http.MethodPost,
		path: []string{"media", "v3", "upload"}, query: url.Values{"filename": {m.Content.Filename}},
		content: &httpsend.Content{Size: m.Content.Size, Open: m.Content.Open}, mediaType: mediaType,
	})
	if err != nil {
		return "", unsent(uploadRefused(err))
	}
	uri, err := readField(reply, "content_uri")
	if err != nil {
		return "", odd(opUpload, err)
	}
	c.uploads.put(m.Token, uri)
	return uri, nil
}

// uploadRefused sees that a refusal of the media is not taken for one of the room
// or of the text.
func uploadRefused(err error) error {
	e, ok := errors.AsType[*classify.Error](err)
	if ok && (e.Status == http.StatusRequestEntityTooLarge || refusedWith(err, codeForbidden, codeTooLarge)) {
		e.Reason = classify.ReasonMediaRejected
	}
	return err
}

func rejected(why string) error {
	return &classify.Error{
		Channel: Type, Table: table, Op: opUpload, Sent: classify.SentNo, Reason: classify.ReasonMediaRejected, Err: errors.New(why),
	}
}

// uploadLimit is how many bytes media may have, 0 if the homeserver does not say.
// Not to know it is no reason to fail: the upload tells.
func (c *Channel) uploadLimit(ctx context.Context) int64 {
	const key = "m.upload.size"
	if known, ok := c.facts.get(key); ok {
		most, _ := strconv.ParseInt(known, 10, 64)
		return most
	}
	reply, err := c.call(ctx, request{op: "config", method: http.MethodGet, path: []string{"client", "v1", "media", "config"}})
	var config struct {
		UploadSize int64 `json:"m.upload.size"`
	}
	if err == nil {
		_ = json.Unmarshal(reply.Body, &config)
	} else if !refusedWith(err, "M_UNRECOGNIZED") {
		return 0 // it may know another time
	}
	c.facts.put(key, strconv.FormatInt(config.UploadSize, 10))
	return config.UploadSize
}
