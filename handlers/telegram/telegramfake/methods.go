package telegramfake

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

const (
	maxText    = 4096
	maxCaption = 1024
)

// methods are what can be called, in lower case.
var methods = map[string]func(*Fake, query) (any, *fault){
	"getme":              func(*Fake, query) (any, *fault) { return bot, nil },
	"sendmessage":        (*Fake).sendMessage,
	"sendphoto":          sendMedia("photo"),
	"sendvideo":          sendMedia("video"),
	"sendaudio":          sendMedia("audio"),
	"senddocument":       sendMedia("document"),
	"editmessagetext":    (*Fake).editText,
	"editmessagecaption": (*Fake).editCaption,
	"editmessagemedia":   (*Fake).editMedia,
	"deletemessage":      (*Fake).deleteMessage,
}

func (f *Fake) sendMessage(q query) (any, *fault) {
	t, err := readMessage(q)
	if err != nil {
		return nil, err
	}
	return f.post(q, t, nil)
}

func sendMedia(kind string) func(*Fake, query) (any, *fault) {
	return func(f *Fake, q query) (any, *fault) {
		m, err := q.media(kind, q.values[kind])
		if err != nil {
			return nil, err
		}
		t, err := readCaption(q.values["caption"], q.values["parse_mode"])
		if err != nil {
			return nil, err
		}
		return f.post(q, t, m)
	}
}

// post adds a message to its room.
func (f *Fake) post(q query, t text, m *media) (any, *fault) {
	c, err := f.chat(q.values["chat_id"])
	if err != nil {
		return nil, err
	}
	msg := fakes.Message{Room: c.room, Thread: q.values["message_thread_id"], Text: t.source, Format: t.mode}
	if msg.ReplyTo, err = f.replyTo(q, c); err != nil {
		return nil, err
	}
	if err := f.take(c); err != nil {
		return nil, err
	}
	if m != nil {
		msg.Media, msg.Bytes = m.name, m.bytes
	}
	msg = f.Post(msg, nil)
	f.setKind(msg, m)
	return f.show(c, msg, t), nil
}

// replyTo is the message that is replied to, empty where there is none.
func (f *Fake) replyTo(q query, c chat) (string, *fault) {
	var p struct {
		MessageID int64 `json:"message_id"`
		Anyway    bool  `json:"allow_sending_without_reply"`
	}
	if q.object("reply_parameters", &p); p.MessageID == 0 {
		return "", nil
	}
	id := strconv.FormatInt(p.MessageID, 10)
	if _, ok := f.look(c, id); ok {
		return id, nil
	}
	if p.Anyway {
		return "", nil
	}
	return "", badRequest("message to be replied not found")
}

func (f *Fake) editText(q query) (any, *fault) {
	t, err := readMessage(q)
	if err != nil {
		return nil, err
	}
	return f.edit(q, t, func(old fakes.Message) *fault {
		if old.Media != "" {
			return badRequest("there is no text in the message to edit")
		}
		return nil
	}, nil)
}

func (f *Fake) editCaption(q query) (any, *fault) {
	t, err := readCaption(q.values["caption"], q.values["parse_mode"])
	if err != nil {
		return nil, err
	}
	return f.edit(q, t, func(old fakes.Message) *fault {
		if old.Media == "" {
			return badRequest("there is no caption in the message to edit")
		}
		return nil
	}, nil)
}

func (f *Fake) editMedia(q query) (any, *fault) {
	var p struct {
		Type      string `json:"type"`
		Media     string `json:"media"`
		Caption   string `json:"caption"`
		ParseMode string `json:"parse_mode"`
	}
	q.object("media", &p)
	switch p.Type {
	case "photo", "video", "audio", "document":
	default:
		return nil, badRequest("can't parse InputMedia: type must be one of photo, video, audio, document")
	}
	m, err := q.media(p.Type, p.Media)
	if err != nil {
		return nil, err
	}
	t, err := readCaption(p.Caption, p.ParseMode)
	if err != nil {
		return nil, err
	}
	return f.edit(q, t, func(fakes.Message) *fault { return nil }, m)
}

// edit changes a message; m is nil where its media stay.
func (f *Fake) edit(q query, t text, check func(old fakes.Message) *fault, m *media) (any, *fault) {
	c, err := f.chat(q.values["chat_id"])
	if err != nil {
		return nil, err
	}
	if q.number("message_id") <= 0 {
		return nil, badRequest("message identifier is not specified")
	}
	old, ok := f.look(c, q.values["message_id"])
	if !ok {
		return nil, badRequest("message to edit not found")
	}
	if err := check(old); err != nil {
		return nil, err
	}
	same := old.Text == t.source && old.Format == t.mode
	if same && (m == nil || m.link && m.name == old.Media) {
		return nil, badRequest("message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message")
	}
	if err := f.take(c); err != nil {
		return nil, err
	}
	changed, ok := f.Change(c.room, old.ID, func(msg *fakes.Message) {
		msg.Text, msg.Format = t.source, t.mode
		msg.Edits++
		if m != nil {
			msg.Media, msg.Bytes = m.name, m.bytes
		}
	})
	if !ok { // deleted in the meantime
		return nil, badRequest("message to edit not found")
	}
	f.setKind(changed, m)
	return f.show(c, changed, t), nil
}

// deleteMessage takes a message back. Deletions are not counted.
func (f *Fake) deleteMessage(q query) (any, *fault) {
	c, err := f.chat(q.values["chat_id"])
	if err != nil {
		return nil, err
	}
	if q.number("message_id") <= 0 {
		return nil, badRequest("message identifier is not specified")
	}
	if _, ok := f.Change(c.room, q.values["message_id"], func(m *fakes.Message) { m.Deleted = true }); !ok {
		return nil, badRequest("message to delete not found")
	}
	return true, nil
}

// look is a message as it stands.
func (f *Fake) look(c chat, id string) (fakes.Message, bool) {
	return f.Change(c.room, id, func(*fakes.Message) {})
}

// text is a text or a caption: as it was sent, and as it is seen.
type text struct {
	source, mode, visible string
	entities              []entity
}

func readText(source, mode string) (text, *fault) {
	t := text{source: source, visible: source}
	switch strings.ToLower(mode) {
	case "":
	case "html":
		t.mode = "HTML"
		var why string
		if t.visible, t.entities, why = parseHTML(source); why != "" {
			return t, badRequest("can't parse entities: %s", why)
		}
	default:
		return t, badRequest("unsupported parse_mode")
	}
	return t, nil
}

// readMessage is the text of a message, sent or edited.
func readMessage(q query) (text, *fault) {
	t, err := readText(q.values["text"], q.values["parse_mode"])
	switch {
	case err != nil:
	case t.blank():
		err = badRequest("message text is empty")
	case t.length() > maxText:
		err = badRequest("message is too long")
	}
	return t, err
}

func readCaption(source, mode string) (text, *fault) {
	t, err := readText(source, mode)
	if err == nil && t.length() > maxCaption {
		err = badRequest("message caption is too long")
	}
	return t, err
}

func (t text) blank() bool { return strings.TrimSpace(t.visible) == "" }

func (t text) length() int { return utf8.RuneCountInString(t.visible) }
