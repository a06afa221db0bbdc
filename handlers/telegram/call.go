package telegram

import (
	"context"
	"net/http"
	"strings"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

// The methods of the Bot API that are called.
const (
	sendMessage        = "sendMessage"
	sendPhoto          = "sendPhoto"
	sendVideo          = "sendVideo"
	sendAudio          = "sendAudio"
	sendDocument       = "sendDocument"
	editMessageText    = "editMessageText"
	editMessageCaption = "editMessageCaption"
	editMessageMedia   = "editMessageMedia"
	deleteMessage      = "deleteMessage"
)

var methods = []string{
	sendMessage, sendPhoto, sendVideo, sendAudio, sendDocument,
	editMessageText, editMessageCaption, editMessageMedia, deleteMessage,
}

// call is one call of a method, which an answer may change before it is made once
// more.
type call struct {
	method string
	params params
	// source is the text or the caption as it came.
	source string
	// part names the upload in the form; upload is nil for a call without one.
	part   string
	upload *tasks.Content
	// known is the id of the message that is changed, empty for a new one.
	known string
	// migrated is the chat the call was led to, 0 for none; led is true once an
	// answer did so; plain is true once the markup was given up.
	migrated   int64
	led, plain bool
}

// deliver makes the call of a message, and makes it once more for each thing that
// an answer tells to do otherwise.
func (c *Channel) deliver(ctx context.Context, m *tasks.Message, build func(*tasks.Message) (*call, error)) (tasks.Delivery, error) {
	k, err := build(m)
	if err != nil {
		return tasks.Delivery{}, err
	}
	if to, ok := c.moves.get(m.ExternalRoomID); ok {
		k.migrate(to)
	}
	for {
		a, err := c.ask(ctx, k)
		switch {
		case err != nil:
			return tasks.Delivery{}, err
		case a.accepted, k.done(a):
			return k.delivery(a)
		case k.leads(a):
			k.led = true
			k.migrate(a.Parameters.MigrateToChatID)
			c.moves.put(m.ExternalRoomID, k.migrated)
		case !k.rewrite(a):
			return tasks.Delivery{}, c.refused(k, a)
		}
	}
}

// ask makes the call once.
func (c *Channel) ask(ctx context.Context, k *call) (*answer, error) {
	contentType, body, content, err := k.encode()
	if err != nil {
		return nil, err
	}
	reply, err := c.sender.Do(ctx, httpsend.Request{
		Op:      k.method,
		Method:  http.MethodPost,
		URL:     c.urls[k.method],
		Header:  http.Header{"Content-Type": {contentType}},
		Body:    body,
		Content: content,
	})
	if err != nil {
		return nil, err
	}
	return readAnswer(k.method, reply)
}

// done is true for a refusal that says that all is as it should be.
func (k *call) done(a *answer) bool {
	if k.method == deleteMessage {
		return a.says("message to delete not found")
	}
	return k.known != "" && a.says("message is not modified")
}

// leads is true for a refusal that names the chat to go to instead.
func (k *call) leads(a *answer) bool {
	return !k.led && a.status == http.StatusBadRequest && a.Parameters.MigrateToChatID != 0
}

func (k *call) migrate(to int64) {
	k.migrated = to
	k.params.ChatID = numericChat(to)
}

// rewrite changes the call as a refusal tells, and is false where it tells nothing.
// What was changed once meets the same refusal never again.
func (k *call) rewrite(a *answer) bool {
	switch {
	case k.params.parseMode() != "" && a.says("can't parse entities"):
		k.plain = true
		k.params.setPlain(k.source)
	case k.method == editMessageText && a.says("there is no text in the message to edit"):
		k.method = editMessageCaption
		k.params.Caption, k.params.Text = k.params.Text, ""
	default:
		return false
	}
	return true
}

// delivery is what the answer to a call that was accepted says.
func (k *call) delivery(a *answer) (tasks.Delivery, error) {
	d := tasks.Delivery{MessageID: k.known, Result: a.result()}
	if k.known == "" {
		if d.MessageID = a.messageID(); d.MessageID == "" {
			return tasks.Delivery{}, a.unclear(k.method)
		}
	}
	if k.migrated != 0 {
		d.Result["migrated_to_chat_id"] = k.migrated
	}
	if k.plain {
		d.Result["format"] = string(tasks.Plain)
	}
	return d, nil
}

// refused is the error of a call that was refused for good.
func (c *Channel) refused(k *call, a *answer) error {
	text := a.Description
	if text == "" {
		text = string(a.reply.Body)
	}
	e := c.sender.Refused(k.method, a.reply, a.code(), strings.TrimSpace(text))
	e.Status = a.status
	e.RetryAfter = max(e.RetryAfter, a.retryAfter())
	if e.Status == http.StatusTooManyRequests {
		e.Scope = classify.ScopeRoom
	}
	return e
}
