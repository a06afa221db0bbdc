package telegram

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/handlers/markup"
	"github.com/outgate/outgate/tasks"
)

// parseHTML is the parse_mode of texts with markup.
const parseHTML = "HTML"

// params are the parameters of all methods that are called; empty ones are left
// out.
type params struct {
	ChatID    chat   `json:"chat_id"`
	ThreadID  int64  `json:"message_thread_id,omitempty"`
	MessageID int64  `json:"message_id,omitempty"`
	Text      string `json:"text,omitempty"`
	Photo     string `json:"photo,omitempty"`
	Video     string `json:"video,omitempty"`
	Audio     string `json:"audio,omitempty"`
	Document  string `json:"document,omitempty"`
	about
	Media  *inputMedia `json:"media,omitempty"`
	Silent bool        `json:"disable_notification,omitempty"`
	Reply  *reply      `json:"reply_parameters,omitempty"`
}

// about is what goes with media, and the parse_mode of a text too.
type about struct {
	Caption   string `json:"caption,omitempty"`
	ParseMode string `json:"parse_mode,omitempty"`
	Width     int64  `json:"width,omitempty"`
	Height    int64  `json:"height,omitempty"`
	Duration  int64  `json:"duration,omitempty"`
}

type inputMedia struct {
	Type  string `json:"type"`
	Media string `json:"media"`
	about
}

type reply struct {
	MessageID int64 `json:"message_id"`
	// Anyway sends the message where the one it replies to is gone.
	Anyway bool `json:"allow_sending_without_reply"`
}

// chat is a chat_id: a number goes as a number, a name as a string.
type chat string

func numericChat(id int64) chat { return chat(strconv.FormatInt(id, 10)) }

// MarshalJSON writes a number only for what is one digit by digit.
func (c chat) MarshalJSON() ([]byte, error) {
	if id, err := strconv.ParseInt(string(c), 10, 64); err == nil && numericChat(id) == c {
		return []byte(c), nil
	}
	return json.Marshal(string(c))
}

func (p *params) parseMode() string {
	if p.Media != nil {
		return p.Media.ParseMode
	}
	return p.ParseMode
}

// setPlain puts a text in the place of the markup that stands there.
func (p *params) setPlain(text string) {
	about := &p.about
	if p.Media != nil {
		about = &p.Media.about
	}
	about.ParseMode = ""
	if about.Caption != "" {
		about.Caption = text
	} else {
		p.Text = text
	}
}

// render is a text as Telegram takes it, and its parse_mode. Markup with nothing to
// be seen in it is sent as it is written: Telegram takes no empty message.
func render(text string, format tasks.Format) (rendered, parseMode string) {
	switch {
	case text == "":
		return "", ""
	case format == tasks.HTML:
		return text, parseHTML
	case format == tasks.Markdown:
		if html := markup.TelegramHTML(text); strings.TrimSpace(html) != "" {
			return html, parseHTML
		}
	}
	return text, ""
}

// encode is the request of the call: JSON, or a form where there is an upload.
func (k *call) encode() (contentType string, body []byte, content *httpsend.Content, err error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(&k.params); err != nil {
		return "", nil, nil, invalid(k.method, "the message is not fit for JSON")
	}
	if k.upload == nil {
		return "application/json", bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil, nil
	}
	parts, err := fields(buf.Bytes())
	if err == nil {
		parts = append(parts, httpsend.Part{
			Name: k.part, Filename: k.upload.Filename, MediaType: k.upload.MediaType,
			Content: &httpsend.Content{Size: k.upload.Size, Open: k.upload.Open},
		})
		contentType, content, err = httpsend.Form(parts...)
	}
	if err != nil {
		return "", nil, nil, invalid(k.method, "the message is not fit for a form")
	}
	return contentType, nil, content, nil
}

// fields are the members of an object as fields of a form: strings as they are,
// anything else as JSON.
func fields(object []byte) ([]httpsend.Part, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(object, &members); err != nil {
		return nil, err
	}
	var parts []httpsend.Part
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := string(members[name])
		if strings.HasPrefix(value, `"`) {
			if err := json.Unmarshal(members[name], &value); err != nil {
				return nil, err
			}
		}
		parts = append(parts, httpsend.Part{Name: name, Value: value})
	}
	return parts, nil
}

// invalid is the error of a message that no request can be made of.
func invalid(method, why string) error {
	return &classify.Error{
		Channel: Type,
		Table:   table,
		Op:      method,
		Sent:    classify.SentNo,
		Reason:  classify.ReasonInvalidRequest,
		Err:     errors.New(why),
	}
}
