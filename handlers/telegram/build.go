package telegram

import (
	"strconv"

	"github.com/outgate/outgate/tasks"
)

// uploadPart names the upload that an editMessageMedia attaches.
const uploadPart = "file"

// kinds are the method that sends each kind of media, and the name of its parameter,
// which is its type in an inputMedia too.
var kinds = map[tasks.MediaKind]struct{ method, name string }{
	tasks.Image: {sendPhoto, "photo"},
	tasks.Video: {sendVideo, "video"},
	tasks.Audio: {sendAudio, "audio"},
	tasks.File:  {sendDocument, "document"},
}

func sendCall(m *tasks.Message) (*call, error) {
	k := &call{method: sendMessage, source: m.Text}
	k.params.Text, k.params.ParseMode = render(m.Text, m.Opts.Format)
	return k, k.address(m)
}

func editCall(m *tasks.Message) (*call, error) {
	k := &call{method: editMessageText, source: m.Text}
	k.params.Text, k.params.ParseMode = render(m.Text, m.Opts.Format)
	return k, k.target(m)
}

func deleteCall(m *tasks.Message) (*call, error) {
	k := &call{method: deleteMessage}
	return k, k.target(m)
}

func sendMediaCall(m *tasks.Message) (*call, error) {
	kind, about, err := describe(m)
	if err != nil {
		return nil, err
	}
	k := &call{method: kinds[kind].method, source: m.Media.Caption}
	k.params.about = about
	if m.Content != nil {
		k.upload, k.part = m.Content, kinds[kind].name
		return k, k.address(m)
	}
	k.params.setURL(kind, m.Media.URL)
	return k, k.address(m)
}

func editMediaCall(m *tasks.Message) (*call, error) {
	kind, about, err := describe(m)
	if err != nil {
		return nil, err
	}
	k := &call{method: editMessageMedia, source: m.Media.Caption}
	k.params.Media = &inputMedia{Type: kinds[kind].name, Media: m.Media.URL, about: about}
	if m.Content != nil {
		k.upload, k.part = m.Content, uploadPart
		k.params.Media.Media = "attach://" + uploadPart
	}
	return k, k.target(m)
}

// describe is the kind of a message's media, and what goes with it.
func describe(m *tasks.Message) (tasks.MediaKind, about, error) {
	if m.Media == nil || m.Content == nil && m.Media.URL == "" {
		return "", about{}, invalid(string(m.Operation), "there is no media")
	}
	if _, ok := kinds[m.Media.Kind]; !ok {
		return "", about{}, invalid(string(m.Operation), "unknown kind of media")
	}
	var a about
	a.Caption, a.ParseMode = render(m.Media.Caption, m.Opts.Format)
	switch m.Media.Kind {
	case tasks.Video:
		a.Width, a.Height, a.Duration = m.Media.Width, m.Media.Height, m.Media.Duration
	case tasks.Audio:
		a.Duration = m.Media.Duration
	default:
	}
	return m.Media.Kind, a, nil
}

func (p *params) setURL(kind tasks.MediaKind, url string) {
	switch kind {
	case tasks.Image:
		p.Photo = url
	case tasks.Video:
		p.Video = url
	case tasks.Audio:
		p.Audio = url
	default:
		p.Document = url
	}
}

// address says where a new message goes, and how.
func (k *call) address(m *tasks.Message) (err error) {
	k.params.ChatID = chat(m.ExternalRoomID)
	k.params.Silent = m.Opts.Silent
	if m.Opts.ThreadID != "" {
		if k.params.ThreadID, err = number(k.method, "opts.thread_id", m.Opts.ThreadID); err != nil {
			return err
		}
	}
	if m.Opts.ReplyTo != "" {
		id, err := number(k.method, "opts.reply_to", m.Opts.ReplyTo)
		if err != nil {
			return err
		}
		k.params.Reply = &reply{MessageID: id, Anyway: true}
	}
	return nil
}

// target names the message that is changed or taken back.
func (k *call) target(m *tasks.Message) (err error) {
	k.params.ChatID, k.known = chat(m.ExternalRoomID), m.ExternalMessageID
	k.params.MessageID, err = number(k.method, "external_message_id", m.ExternalMessageID)
	return err
}

// number reads an id of a message or a thread.
func number(method, field, s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return 0, invalid(method, field+" is not a positive number")
	}
	return n, nil
}
