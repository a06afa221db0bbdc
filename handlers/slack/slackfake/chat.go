package slackfake

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

const (
	userID = "U0FAKE"
	botID  = "B0FAKE"
	// maxPost is in characters, maxUpdate in bytes.
	maxPost   = 40000
	maxUpdate = 4000
)

// extra is what a message has beside what fakes.Message holds.
type extra struct {
	metadata, blocks, attachments json.RawMessage
}

// stamp makes the ts of the nth message.
func stamp(n int64) string { return fmt.Sprintf("%d.%06d", time.Now().Unix(), n%1_000_000) }

func (c *call) post() (reply, string) {
	room, text, thread := c.args.text("channel"), c.args.text("text"), c.args.text("thread_ts")
	if code := c.fake.writable(room); code != "" {
		return nil, code
	}
	e, code := c.extra()
	if code != "" {
		return nil, code
	}
	switch {
	case text == "" && empty(e.blocks) && empty(e.attachments):
		return nil, "no_text"
	case utf8.RuneCountInString(text) > maxPost:
		return nil, "msg_too_long"
	case thread != "" && !c.fake.exists(room, thread):
		return nil, "thread_not_found"
	}
	m := c.fake.add(fakes.Message{Room: room, Thread: thread, Text: text, Format: c.format(), Token: token(e.metadata)}, e)
	c.room = true
	return reply{"channel": room, "ts": m.ID, "message": c.fake.show(m, true)}, ""
}

func (c *call) update() (reply, string) {
	room, ts, text := c.args.text("channel"), c.args.text("ts"), c.args.text("text")
	if code := c.fake.writable(room); code != "" {
		return nil, code
	}
	e, code := c.extra()
	if code != "" {
		return nil, code
	}
	var ids []string
	if c.args.has("file_ids") && !c.args.object("file_ids", &ids) {
		return nil, "invalid_arguments"
	}
	media, code := c.fake.completed(ids)
	switch {
	case code != "":
		return nil, code
	case len(text) > maxUpdate:
		return nil, "msg_too_long"
	case text == "" && empty(e.blocks) && empty(e.attachments) && len(ids) == 0:
		return nil, "no_text"
	}
	m, ok := c.fake.Change(room, ts, func(m *fakes.Message) {
		m.Text, m.Format = text, c.format()
		m.Edits++
		if len(ids) > 0 {
			m.Media, m.Bytes = media.Media, media.Bytes
		}
	})
	if !ok {
		return nil, "message_not_found"
	}
	c.fake.merge(room, ts, e)
	c.fake.share(ids, room, ts)
	c.room = true
	return reply{"channel": room, "ts": ts, "text": text, "message": c.fake.show(m, true)}, ""
}

func (c *call) delete() (reply, string) {
	room, ts := c.args.text("channel"), c.args.text("ts")
	if code := c.fake.writable(room); code != "" {
		return nil, code
	}
	if _, ok := c.fake.Change(room, ts, func(m *fakes.Message) { m.Deleted = true }); !ok {
		return nil, "message_not_found"
	}
	c.room = true
	return reply{"channel": room, "ts": ts}, ""
}

// format is what the marks of a text mean.
func (c *call) format() string {
	if c.args.is("mrkdwn", true) {
		return "mrkdwn"
	}
	return "plain"
}

// extra reads the arguments that are JSON, those that are given.
func (c *call) extra() (e extra, code string) {
	for _, field := range []struct {
		name, code string
		to         *json.RawMessage
	}{
		{"blocks", "invalid_blocks_format", &e.blocks},
		{"attachments", "invalid_attachments", &e.attachments},
		{"metadata", "invalid_metadata_format", &e.metadata},
	} {
		if c.args.has(field.name) && !c.args.object(field.name, field.to) {
			return e, field.code
		}
	}
	if e.metadata != nil {
		var m struct {
			Type    string         `json:"event_type"`
			Payload map[string]any `json:"event_payload"`
		}
		if json.Unmarshal(e.metadata, &m) != nil || (m.Type == "") != (m.Payload == nil) {
			return e, "invalid_metadata_schema"
		}
	}
	return e, ""
}

// empty is true for a list that is not given or has nothing in it.
func empty(list json.RawMessage) bool { return len(list) == 0 || string(list) == "[]" }

// token is the id in the payload of metadata, if there is one.
func token(metadata json.RawMessage) string {
	var m struct {
		Payload struct {
			ID string `json:"id"`
		} `json:"event_payload"`
	}
	_ = json.Unmarshal(metadata, &m) // metadata of others may be of any shape
	return m.Payload.ID
}

// add puts a message into its room.
func (f *Fake) add(m fakes.Message, e extra) fakes.Message {
	m = f.Post(m, stamp)
	f.merge(m.Room, m.ID, e)
	return m
}

// merge changes the extras that are given and keeps the others.
func (f *Fake) merge(room, ts string, e extra) {
	if e.metadata == nil && e.blocks == nil && e.attachments == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.extras[room+" "+ts]
	if e.metadata != nil {
		was.metadata = e.metadata
	}
	if e.blocks != nil {
		was.blocks = e.blocks
	}
	if e.attachments != nil {
		was.attachments = e.attachments
	}
	f.extras[room+" "+ts] = was
}

// exists is true for a message that is in a room.
func (f *Fake) exists(room, ts string) bool {
	_, ok := f.Change(room, ts, func(*fakes.Message) {})
	return ok
}

// show is a message as Slack answers it.
func (f *Fake) show(m fakes.Message, withMetadata bool) reply {
	shown := reply{"type": "message", "user": userID, "bot_id": botID, "text": m.Text, "ts": m.ID}
	if m.Thread != "" {
		shown["thread_ts"] = m.Thread
	}
	if m.Edits > 0 {
		shown["edited"] = reply{"user": botID, "ts": m.ID}
	}
	if m.Media != "" {
		shown["files"] = []reply{{"name": m.Media, "title": m.Media, "size": m.Bytes}}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.extras[m.Room+" "+m.ID]
	if withMetadata && e.metadata != nil {
		shown["metadata"] = e.metadata
	}
	if !empty(e.blocks) {
		shown["blocks"] = e.blocks
	}
	if !empty(e.attachments) {
		shown["attachments"] = e.attachments
	}
	return shown
}
