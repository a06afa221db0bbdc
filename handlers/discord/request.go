package discord

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

// suppressNotifications is the flag of a silent message.
const suppressNotifications = 1 << 12

// body is the JSON of a message, new or edited.
type body struct {
	// Content is there even if it is empty: an edit then takes the old text away.
	Content         string       `json:"content"`
	Nonce           string       `json:"nonce,omitempty"`
	EnforceNonce    bool         `json:"enforce_nonce,omitempty"`
	Flags           int          `json:"flags,omitempty"`
	AllowedMentions mentions     `json:"allowed_mentions"`
	Reference       *reference   `json:"message_reference,omitempty"`
	Attachments     []attachment `json:"attachments,omitempty"`
}

// mentions says who may be called: with an empty list, nobody.
type mentions struct {
	Parse       []string `json:"parse"`
	RepliedUser bool     `json:"replied_user"`
}

type reference struct {
	MessageID       string `json:"message_id"`
	FailIfNotExists bool   `json:"fail_if_not_exists"`
}

// attachment describes files[ID] of a form.
type attachment struct {
	ID       int    `json:"id"`
	Filename string `json:"filename"`
}

// newBody is the body of a new message.
func newBody(m *tasks.Message, text string) body {
	b := editBody(m, text)
	b.Nonce, b.EnforceNonce = nonce(m), true
	if m.Opts.Silent {
		b.Flags = suppressNotifications
	}
	if m.Opts.ReplyTo != "" {
		b.Reference = &reference{MessageID: m.Opts.ReplyTo}
	}
	return b
}

// editBody is the body of a message that is there already.
func editBody(m *tasks.Message, text string) body {
	return body{Content: render(text, m.Opts.Format), AllowedMentions: mentions{Parse: []string{}}}
}

// call is one request below the messages of a room.
type call struct {
	op, method string
	m          *tasks.Message
	// message is the id of the message it is about, nil for none.
	message *string
	query   url.Values
	// body is nil for a request without; a file makes it a form.
	body *body
	file *tasks.Content
}

func (c *Channel) do(ctx context.Context, call call) (httpsend.Reply, error) {
	u, err := c.messages(call.m, call.message)
	if err != nil {
		return httpsend.Reply{}, c.sender.Unsendable(call.op, err)
	}
	u.RawQuery = call.query.Encode()
	req := httpsend.Request{
		Op: call.op, Method: call.method, URL: u,
		Header: http.Header{"Authorization": {"Bot " + c.token}},
	}
	if call.body != nil {
		if err := fill(&req, *call.body, call.file); err != nil {
			return httpsend.Reply{}, c.sender.Unsendable(call.op, err)
		}
	}
	return c.sender.Do(ctx, req)
}

// fill gives a request its body.
func fill(req *httpsend.Request, b body, file *tasks.Content) error {
	if file != nil {
		b.Attachments = []attachment{{ID: 0, Filename: file.Filename}}
	}
	encoded, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if file == nil {
		req.Body = encoded
		req.Header.Set("Content-Type", "application/json")
		return nil
	}
	kind, form, err := httpsend.Form(
		httpsend.Part{Name: "payload_json", MediaType: "application/json", Value: string(encoded)},
		httpsend.Part{
			Name: "files[0]", Filename: file.Filename, MediaType: file.MediaType,
			Content: &httpsend.Content{Size: file.Size, Open: file.Open},
		},
	)
	if err != nil {
		return err
	}
	req.Content = form
	req.Header.Set("Content-Type", kind)
	return nil
}

// messages is the address of the messages of m's room or thread, or of one of
// them. No id can lead elsewhere.
func (c *Channel) messages(m *tasks.Message, id *string) (*url.URL, error) {
	room := m.ExternalRoomID
	if m.Opts.ThreadID != "" {
		room = m.Opts.ThreadID
	}
	path := []string{"api", apiVersion, "channels", room, "messages"}
	if id != nil {
		path = append(path, *id)
	}
	return httpsend.Join(c.base, path...)
}
