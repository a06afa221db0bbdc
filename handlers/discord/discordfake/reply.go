package discordfake

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

// maxDrain is how much of a refused request is still read, so that its sender is
// there to hear of it.
const maxDrain = 64 << 20

// message is a message in JSON
// (https://docs.discord.com/developers/resources/message#message-object).
type message struct {
	ID              string       `json:"id"`
	Type            int          `json:"type"`
	ChannelID       string       `json:"channel_id"`
	Author          author       `json:"author"`
	Content         string       `json:"content"`
	Timestamp       string       `json:"timestamp"`
	EditedTimestamp *string      `json:"edited_timestamp"`
	TTS             bool         `json:"tts"`
	Pinned          bool         `json:"pinned"`
	MentionEveryone bool         `json:"mention_everyone"`
	Mentions        []string     `json:"mentions"`
	MentionRoles    []string     `json:"mention_roles"`
	Attachments     []attachment `json:"attachments"`
	Embeds          []string     `json:"embeds"`
	Components      []string     `json:"components"`
	Flags           int          `json:"flags"`
	Nonce           string       `json:"nonce,omitempty"`
	Reference       *replied     `json:"message_reference,omitempty"`
}

type author struct {
	ID            string `json:"id"`
	Username      string `json:"username"`
	Discriminator string `json:"discriminator"`
	Bot           bool   `json:"bot"`
}

type attachment struct {
	ID          string `json:"id"`
	Filename    string `json:"filename"`
	Size        int64  `json:"size"`
	URL         string `json:"url"`
	ProxyURL    string `json:"proxy_url"`
	ContentType string `json:"content_type,omitempty"`
}

type replied struct {
	ChannelID string `json:"channel_id"`
	MessageID string `json:"message_id"`
}

var bot = author{ID: "1400000000000000000", Username: "outgate", Discriminator: "0000", Bot: true}

const timeLayout = "2006-01-02T15:04:05.000000-07:00"

// present is a message as Discord shows it.
func (c *call) present(m fakes.Message) message {
	c.mu.Lock()
	d := *c.details[m.ID]
	c.mu.Unlock()
	out := message{
		ID: m.ID, ChannelID: m.Room, Author: bot, Content: m.Text,
		Timestamp: m.At.UTC().Format(timeLayout), MentionEveryone: d.everyone,
		Mentions: []string{}, MentionRoles: []string{}, Embeds: []string{}, Components: []string{},
		Attachments: append([]attachment{}, d.attachments...), Flags: d.flags, Nonce: m.Token,
	}
	if !d.edited.IsZero() {
		edited := d.edited.UTC().Format(timeLayout)
		out.EditedTimestamp = &edited
	}
	if m.ReplyTo != "" {
		out.Type, out.Reference = 19, &replied{m.Room, m.ReplyTo}
	}
	return out
}

func (c *call) read() {
	m, ok := c.Change(c.channel, c.message, func(*fakes.Message) {})
	if !ok {
		c.fail(errUnknownMessage)
		return
	}
	c.answer(http.StatusOK, c.present(m))
}

// list answers with the newest messages first: those after an id, those before one,
// or the newest of all.
func (c *call) list() {
	query := c.r.URL.Query()
	limit := 50
	if s := query.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 100 {
			c.fail(invalidForm(faults{"limit": fault("NUMBER_TYPE_MAX", "int value should be less than or equal to 100.")}))
			return
		}
		limit = n
	}
	after, _ := strconv.ParseUint(query.Get("after"), 10, 64)
	before, _ := strconv.ParseUint(query.Get("before"), 10, 64)
	messages := slices.DeleteFunc(c.Messages(c.channel), func(m fakes.Message) bool {
		id, _ := strconv.ParseUint(m.ID, 10, 64)
		return id <= after || before > 0 && id >= before
	})
	if len(messages) > limit {
		if query.Has("after") {
			messages = messages[:limit]
		} else {
			messages = messages[len(messages)-limit:]
		}
	}
	page := []message{}
	for _, m := range slices.Backward(messages) {
		page = append(page, c.present(m))
	}
	c.answer(http.StatusOK, page)
}

// accept answers a request that changed something, unless the reply is to be lost.
func (c *call) accept(status int, m fakes.Message) {
	if !c.Lost(c.w) {
		c.answer(status, c.present(m))
	}
}

// refuse answers with an error.
func (c *call) refuse(status, code int, text string, errs faults) {
	c.Count(func(n *fakes.Counts) { n.Refused++ })
	c.drain()
	c.answer(status, struct {
		Message string `json:"message"`
		Code    int    `json:"code"`
		Errors  faults `json:"errors,omitempty"`
	}{text, code, errs})
}

// drain reads what is left of a request. Who is answered while it still writes may
// see a broken connection instead of the answer.
func (c *call) drain() { _, _ = io.CopyN(io.Discard, c.r.Body, maxDrain) }

func (c *call) answer(status int, body any) {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_ = json.NewEncoder(c.w).Encode(body)
}
