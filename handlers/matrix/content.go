package matrix

import (
	"bytes"
	"encoding/json"

	"github.com/outgate/outgate/handlers/markup"
	"github.com/outgate/outgate/tasks"
)

// formatHTML is the format of a formatted_body.
const formatHTML = "org.matrix.custom.html"

// content is the content of an m.room.message event.
type content struct {
	MsgType       string `json:"msgtype"`
	Body          string `json:"body"`
	Format        string `json:"format,omitempty"`
	FormattedBody string `json:"formatted_body,omitempty"`
	Filename      string `json:"filename,omitempty"`
	URL           string `json:"url,omitempty"`
	Info          *info  `json:"info,omitempty"`
	// Mentions is empty, which says that the text mentions nobody.
	Mentions   struct{}  `json:"m.mentions"`
	RelatesTo  *relation `json:"m.relates_to,omitempty"`
	NewContent *content  `json:"m.new_content,omitempty"`
	// Token is by what Find knows the event.
	Token string `json:"com.github.outgate.token,omitempty"`
}

type info struct {
	MediaType string `json:"mimetype,omitempty"`
	Size      int64  `json:"size"`
	Width     int64  `json:"w,omitempty"`
	Height    int64  `json:"h,omitempty"`
	// Duration is in milliseconds.
	Duration int64 `json:"duration,omitempty"`
}

type relation struct {
	Type    string `json:"rel_type,omitempty"`
	EventID string `json:"event_id,omitempty"`
	// FallingBack is true where InReplyTo is for clients without threads only.
	FallingBack bool       `json:"is_falling_back,omitempty"`
	InReplyTo   *inReplyTo `json:"m.in_reply_to,omitempty"`
}

type inReplyTo struct {
	EventID string `json:"event_id"`
}

// textContent is the content of a text message, without relations.
func textContent(m *tasks.Message) *content {
	c := &content{MsgType: "m.text"}
	if m.Opts.Silent {
		c.MsgType = "m.notice"
	}
	c.text(m.Text, m.Opts.Format, maxText)
	return c
}

// msgTypes are the kinds of media.
var msgTypes = map[tasks.MediaKind]string{
	tasks.Image: "m.image",
	tasks.Audio: "m.audio",
	tasks.Video: "m.video",
	tasks.File:  "m.file",
}

// mediaContent is the content of a media message, without relations.
func mediaContent(m *tasks.Message, uri string) *content {
	c := &content{
		MsgType:  msgTypes[m.Media.Kind],
		Filename: m.Content.Filename,
		URL:      uri,
		Info: &info{
			MediaType: m.Content.MediaType,
			Size:      m.Content.Size,
			Width:     m.Media.Width,
			Height:    m.Media.Height,
			Duration:  m.Media.Duration * 1000,
		},
	}
	if c.MsgType == "" {
		c.MsgType = "m.file"
	}
	if m.Media.Caption == "" {
		c.Body = m.Content.Filename
	} else {
		c.text(m.Media.Caption, m.Opts.Format, maxCaption)
	}
	return c
}

// text sets the body, and the formatted body where there is one and both together
// have at most so many bytes.
func (c *content) text(text string, format tasks.Format, most int) {
	var html string
	switch format {
	case tasks.Markdown:
		c.Body, html = text, markup.HTML(text)
	case tasks.HTML:
		c.Body, html = markup.Text(text), text
		if size(c.Body) > size(text) {
			// Rules, and the lines of deep lists and quotes, may be longer as text than
			// they were. The text was measured by its HTML.
			c.Body = text
		}
	default:
		c.Body = text
	}
	if html != "" && size(c.Body)+size(html) <= most {
		c.Format, c.FormattedBody = formatHTML, html
	}
}

// relate puts the content in its thread, and makes it the reply it is.
func (c *content) relate(o *tasks.Opts) {
	switch {
	case o.ThreadID != "" && o.ReplyTo != "":
		c.RelatesTo = &relation{Type: "m.thread", EventID: o.ThreadID, InReplyTo: &inReplyTo{o.ReplyTo}}
	case o.ThreadID != "":
		c.RelatesTo = &relation{Type: "m.thread", EventID: o.ThreadID, FallingBack: true, InReplyTo: &inReplyTo{o.ThreadID}}
	case o.ReplyTo != "":
		c.RelatesTo = &relation{InReplyTo: &inReplyTo{o.ReplyTo}}
	}
}

// replacing is the content of the event that puts c in the place of another. What
// stands beside it is for clients that know no edits. Media have no asterisk: it
// would be a caption.
func (c *content) replacing(eventID string) *content {
	outer := *c
	if c.URL == "" {
		outer.Body = "* " + c.Body
		if c.FormattedBody != "" {
			outer.FormattedBody = "* " + c.FormattedBody
		}
	}
	outer.RelatesTo = &relation{Type: "m.replace", EventID: eventID}
	outer.NewContent = c
	return &outer
}

// encode makes the bytes that are sent. A content cannot fail to be JSON.
func (c *content) encode() []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(c)
	return buf.Bytes()
}
