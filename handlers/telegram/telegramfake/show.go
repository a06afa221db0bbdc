package telegramfake

import (
	"strconv"
	"strings"
	"time"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

// firstName is the id of the first chat with a name.
const firstName = -1001000000001

type user struct {
	ID        int64  `json:"id"`
	IsBot     bool   `json:"is_bot"`
	FirstName string `json:"first_name"`
	Username  string `json:"username"`
}

// bot is who sends.
var bot = user{ID: 1, IsBot: true, FirstName: "Fake", Username: "fake_bot"}

// chat is a room as Telegram shows it.
type chat struct {
	ID       int64  `json:"id"`
	Type     string `json:"type"`
	Title    string `json:"title,omitempty"`
	Username string `json:"username,omitempty"`
	// room is where its messages are kept: a chat with a name may be given by its id
	// too.
	room string
}

// chat finds a chat by its id or name.
func (f *Fake) chat(id string) (chat, *fault) {
	if id == "" {
		return chat{}, badRequest("chat_id is empty")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	room := id
	if name, ok := f.ids[id]; ok {
		room = name
	}
	if err := f.refused[room]; err != nil {
		return chat{}, err
	}
	if name, ok := strings.CutPrefix(room, "@"); ok && name != "" {
		n, ok := f.names[room]
		if !ok {
			n = firstName - int64(len(f.names))
			f.names[room], f.ids[strconv.FormatInt(n, 10)] = n, room
		}
		return chat{ID: n, Type: "channel", Title: name, Username: name, room: room}, nil
	}
	n, err := strconv.ParseInt(id, 10, 64)
	switch {
	case err != nil || n == 0:
		return chat{}, badRequest("chat not found")
	case n > 0:
		return chat{ID: n, Type: "private", room: id}, nil
	case n <= -1e12:
		return chat{ID: n, Type: "supergroup", Title: id, room: id}, nil
	}
	return chat{ID: n, Type: "group", Title: id, room: id}, nil
}

// message is a message as Telegram shows it.
type message struct {
	ID              int64    `json:"message_id"`
	Thread          int64    `json:"message_thread_id,omitempty"`
	From            user     `json:"from"`
	Chat            chat     `json:"chat"`
	Date            int64    `json:"date"`
	EditDate        int64    `json:"edit_date,omitempty"`
	ReplyTo         *message `json:"reply_to_message,omitempty"`
	Text            string   `json:"text,omitempty"`
	Entities        []entity `json:"entities,omitempty"`
	Caption         string   `json:"caption,omitempty"`
	CaptionEntities []entity `json:"caption_entities,omitempty"`
	Photo           []shown  `json:"photo,omitempty"`
	Video           *shown   `json:"video,omitempty"`
	Audio           *shown   `json:"audio,omitempty"`
	Document        *shown   `json:"document,omitempty"`
}

// shown is media as Telegram shows them.
type shown struct {
	FileID   string `json:"file_id"`
	UniqueID string `json:"file_unique_id"`
	Name     string `json:"file_name,omitempty"`
	Size     int64  `json:"file_size,omitempty"`
}

// show is a message with its text as it is seen.
func (f *Fake) show(c chat, m fakes.Message, t text) message {
	out := message{ID: number(m.ID), Thread: number(m.Thread), From: bot, Chat: c, Date: m.At.Unix()}
	if m.Edits > 0 {
		out.EditDate = time.Now().Unix()
	}
	if m.ReplyTo != "" {
		out.ReplyTo = &message{ID: number(m.ReplyTo), From: bot, Chat: c, Date: m.At.Unix()}
	}
	if m.Media == "" {
		out.Text, out.Entities = t.visible, t.entities
		return out
	}
	out.Caption, out.CaptionEntities = t.visible, t.entities
	s := shown{FileID: "file" + m.ID, UniqueID: "unique" + m.ID, Name: m.Media, Size: m.Bytes}
	switch f.Kind(m.Room, m.ID) {
	case "photo":
		s.Name = ""
		out.Photo = []shown{s}
	case "video":
		out.Video = &s
	case "audio":
		out.Audio = &s
	default:
		out.Document = &s
	}
	return out
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}
