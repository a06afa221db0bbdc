package slack

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

// opUpload names the POST of the bytes, which is no method of the API.
const opUpload = "files.upload"

var errNoUpload = errors.New("the reply holds no address to upload to")

type fileArgs struct {
	ID    string `json:"id"`
	Title string `json:"title,omitempty"`
}

type completeArgs struct {
	Files          []fileArgs `json:"files"`
	ChannelID      string     `json:"channel_id,omitempty"`
	InitialComment string     `json:"initial_comment,omitempty"`
	ThreadTS       string     `json:"thread_ts,omitempty"`
}

// SendMedia uploads a file and shares it in the room. The message's id is its ts
// where Slack tells it soon enough, and else that of the file.
func (c *Channel) SendMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	id, err := c.upload(ctx, m)
	if err != nil {
		return tasks.Delivery{}, unsent(err)
	}
	a, err := c.callJSON(ctx, completeUpload, completeArgs{
		Files:          []fileArgs{{ID: id, Title: m.Content.Filename}},
		ChannelID:      m.ExternalRoomID,
		InitialComment: convert(m.Media.Caption, m.Opts.Format),
		ThreadTS:       thread(m.Opts),
	})
	if err != nil {
		return tasks.Delivery{}, err
	}
	d := tasks.Delivery{MessageID: id, Result: map[string]any{"channel": m.ExternalRoomID, "file_id": id}}
	ts := a.share(id, m.ExternalRoomID)
	if ts == "" {
		ts = c.await(ctx, id, m.ExternalRoomID)
	}
	if ts != "" {
		d.MessageID, d.Result["ts"] = ts, ts
	}
	return d, nil
}

// EditMedia uploads a file and puts it in the place of what a message showed; the
// caption becomes its text.
func (c *Channel) EditMedia(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	ts, err := c.target(ctx, m)
	if err != nil {
		return tasks.Delivery{}, err
	}
	id, err := c.upload(ctx, m)
	if err != nil {
		return tasks.Delivery{}, unsent(err)
	}
	// Without a channel the file is nobody's but the bot's.
	if _, err := c.callJSON(ctx, completeUpload, completeArgs{Files: []fileArgs{{ID: id, Title: m.Content.Filename}}}); err != nil {
		return tasks.Delivery{}, unsent(err)
	}
	d, err := c.update(ctx, m, ts, m.Media.Caption, id)
	if err != nil {
		return tasks.Delivery{}, err
	}
	d.Result["file_id"] = id
	return d, nil
}

// upload brings the bytes to Slack. Nobody sees them until the upload is completed.
func (c *Channel) upload(ctx context.Context, m tasks.Message) (id string, err error) {
	if m.Media == nil || m.Content == nil {
		return "", refuse(getUploadURL, classify.ReasonInvalidRequest, "there are no bytes to upload")
	}
	if m.Content.Size <= 0 {
		return "", refuse(getUploadURL, classify.ReasonMediaRejected, "Slack takes no empty file")
	}
	a, err := c.callForm(ctx, getUploadURL, url.Values{
		"filename": {m.Content.Filename},
		"length":   {strconv.FormatInt(m.Content.Size, 10)},
	})
	if err != nil {
		return "", err
	}
	to, ok := c.uploadURL(a.UploadURL)
	if !ok || a.FileID == "" {
		return "", notUnderstood(getUploadURL, http.StatusOK, errNoUpload)
	}
	// The address is the permission; the token is not shown to it.
	r, err := c.sender.Do(ctx, httpsend.Request{
		Op:      opUpload,
		Method:  http.MethodPost,
		URL:     to,
		Header:  http.Header{"Content-Type": {"application/octet-stream"}},
		Content: &httpsend.Content{Size: m.Content.Size, Open: m.Content.Open},
	})
	if err != nil {
		return "", err
	}
	if !r.OK() {
		return "", c.uploadRefused(r, to)
	}
	return a.FileID, nil
}

// uploadURL reads the address of an upload, which must not be less safe than that of
// the API.
func (c *Channel) uploadURL(raw string) (*url.URL, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" {
		return nil, false
	}
	return u, u.Scheme == "https" || u.Scheme == "http" && c.base.Scheme == "http"
}

// uploadRefused is the error of bytes that were not taken.
func (c *Channel) uploadRefused(r httpsend.Reply, to *url.URL) error {
	// A server may quote the address, and with it the permission.
	text := strings.NewReplacer(to.RequestURI(), "/", to.Path, "/").Replace(string(r.Body))
	e := c.sender.Refused(opUpload, r, "", text)
	switch r.Status {
	case http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		// Of the address, which is a permission of its own: the token is as good as ever.
		http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		e.Reason = classify.ReasonMediaRejected
	case http.StatusTooManyRequests:
		e.Scope = classify.ScopeRoute
	}
	return e
}

// share is the ts of the message that a file stands in.
func (a *answer) share(id, channel string) string {
	for _, f := range a.Files {
		if f.ID == id {
			return f.in(channel)
		}
	}
	return ""
}

// unsent takes the doubt from the failure of a step before the one that changes the
// room: whatever became of the request, the message was not sent.
func unsent(err error) error {
	e, ok := errors.AsType[*classify.Error](err)
	if !ok || !classify.Classify(e).Ambiguous {
		return err
	}
	e.Sent = classify.SentNo
	if e.Reason == classify.ReasonInvalidReply {
		e.Reason = classify.ReasonProviderError
	}
	return e
}
