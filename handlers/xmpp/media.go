package xmpp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
)

// maxItems is how many services of a server are looked at.
const maxItems = 32

var (
	errNoUploads = errors.New("the server takes no uploads")
	errTooBig    = errors.New("the file is larger than the server takes")
	errNoMedia   = errors.New("the message has neither content nor an address")
	errBadSlot   = errors.New("the server gave no address to upload to")
)

// service is where files are uploaded.
type service struct {
	jid string
	// max is the size of the largest file it takes, 0 if it did not say.
	max int64
}

// upload brings the media to the server and returns its address. Media that came
// without content has its address already.
func (d *delivery) upload(ctx context.Context) (string, *classify.Error) {
	content := d.m.Content
	if content == nil {
		if d.m.Media.URL == "" {
			return "", d.failed(d.op, classify.SentNo, classify.ReasonMediaRejected, errNoMedia)
		}
		return d.m.Media.URL, nil
	}
	svc, fail := d.service(ctx)
	switch {
	case fail != nil:
		return "", fail
	case svc == nil:
		return "", d.failed(d.op, classify.SentNo, classify.ReasonMediaRejected, errNoUploads)
	case svc.max > 0 && content.Size > svc.max:
		return "", d.failed(d.op, classify.SentNo, classify.ReasonMediaRejected, errTooBig)
	}
	st, fail := d.query(ctx, func(id string) []byte {
		b := open(nil, "iq", "type", "get", "id", id, "to", svc.jid)
		b = leaf(b, "request", "", "xmlns", nsUpload, "filename", content.Filename,
			"size", strconv.FormatInt(content.Size, 10), "content-type", content.MediaType)
		return append(b, "</iq>"...)
	})
	if fail != nil {
		// It is this file that is refused: its size, its type or its name.
		if strings.HasPrefix(fail.Message, "[modify") {
			fail.Reason = classify.ReasonMediaRejected
		}
		return "", fail
	}
	put, fail := d.slotURL(st.Slot)
	if fail != nil {
		return "", fail
	}
	header := slotHeader(st.Slot, content.MediaType)
	permission := slices.Concat(header["Authorization"], header["Cookie"], []string{put.RequestURI(), put.Path})
	reply, err := d.sender.Do(ctx, httpsend.Request{
		Op: d.op, Method: http.MethodPut, URL: put, Header: header,
		Content: &httpsend.Content{Size: content.Size, Open: content.Open},
	})
	if err == nil && !reply.OK() {
		err = d.putRefused(reply, permission)
	}
	if err != nil {
		fail, ok := errors.AsType[*classify.Error](err)
		if !ok {
			return "", d.failed(d.op, classify.SentNo, "", err)
		}
		fail.Sent = classify.SentNo // the message has yet to be
		return "", fail
	}
	return st.Slot.Get.URL, nil
}

// putRefused is the error of bytes that were not taken. A slot is a permission of its
// own: to refuse it says nothing of the account. A server may quote it.
func (d *delivery) putRefused(r httpsend.Reply, permission []string) error {
	text := string(r.Body)
	for _, secret := range permission {
		if len(secret) > 1 {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	fail := d.sender.Refused(d.op, r, "", unmarked.Replace(text))
	switch r.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		fail.Reason = classify.ReasonMediaRejected
	}
	return fail
}

// service finds where the server takes uploads: itself, or one of its services.
// It is nil where there is none.
func (d *delivery) service(ctx context.Context) (*service, *classify.Error) {
	d.s.mu.Lock()
	known := d.s.uploads
	d.s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	entities := []string{d.s.domain}
	st, fail := d.query(ctx, func(id string) []byte { return get(id, d.s.domain, nsItems) })
	switch {
	case fail != nil && fail.Code == "":
		return nil, fail
	case fail == nil && st.Items != nil:
		for _, item := range st.Items.Items[:min(len(st.Items.Items), maxItems)] {
			entities = append(entities, item.JID)
		}
	}
	for _, entity := range entities {
		found, fail := d.discover(ctx, entity)
		if fail != nil && fail.Code == "" {
			return nil, fail // no answer, rather than one that is an error
		}
		if fail != nil || !found.feature(nsUpload) {
			continue
		}
		svc := &service{jid: entity}
		for _, f := range found.Fields {
			if f.Var == "max-file-size" {
				svc.max, _ = strconv.ParseInt(strings.TrimSpace(f.Value), 10, 64)
			}
		}
		d.s.mu.Lock()
		d.s.uploads = svc
		d.s.mu.Unlock()
		return svc, nil
	}
	return nil, nil
}

// slotURL is the address to put a file to. It is one of HTTPS (XEP-0363, 5), but on
// a connection that does without.
func (d *delivery) slotURL(s *slot) (*url.URL, *classify.Error) {
	if s != nil {
		put, err := url.Parse(s.Put.URL)
		if err == nil && put.Host != "" && s.Get.URL != "" && (put.Scheme == "https" || d.plain && put.Scheme == "http") {
			return put, nil
		}
	}
	return nil, d.failed(d.op, classify.SentNo, classify.ReasonMediaRejected, errBadSlot)
}

// slotHeader is the header to put a file with: of those that a server asks for, only
// three are to be heeded.
func slotHeader(s *slot, mediaType string) http.Header {
	h := http.Header{"Content-Type": {mediaType}}
	line := strings.NewReplacer("\r", "", "\n", "")
	for _, ask := range s.Put.Headers {
		switch name := http.CanonicalHeaderKey(ask.Name); name {
		case "Authorization", "Cookie", "Expires":
			h.Add(name, line.Replace(ask.Value))
		}
	}
	return h
}
