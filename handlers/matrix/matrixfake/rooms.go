package matrixfake

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

// eventOverhead is what a homeserver adds to the content of an event.
const eventOverhead = 630

// room is what was said in a room.
type room struct {
	timeline []*event
	byID     map[string]*event
}

// event is one as /messages gives it.
type event struct {
	Type     string          `json:"type"`
	ID       string          `json:"event_id"`
	Room     string          `json:"room_id"`
	Sender   string          `json:"sender"`
	At       int64           `json:"origin_server_ts"`
	Content  json.RawMessage `json:"content"`
	Unsigned *unsigned       `json:"unsigned,omitempty"`

	replaces string
}

type unsigned struct {
	RedactedBecause map[string]any `json:"redacted_because,omitempty"`
}

// content is what matters of an m.room.message.
type content struct {
	MsgType   *string  `json:"msgtype"`
	Body      *string  `json:"body"`
	Format    string   `json:"format"`
	Filename  string   `json:"filename"`
	URL       string   `json:"url"`
	New       *content `json:"m.new_content"`
	RelatesTo struct {
		Type      string `json:"rel_type"`
		EventID   string `json:"event_id"`
		InReplyTo struct {
			EventID string `json:"event_id"`
		} `json:"m.in_reply_to"`
	} `json:"m.relates_to"`
}

// Say is a message of somebody else in a room; the answer is its id.
func (f *Fake) Say(roomID, sender, text string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	raw, _ := json.Marshal(map[string]string{"msgtype": "m.text", "body": text})
	e := f.add(&event{Type: "m.room.message", Room: roomID, Sender: sender, Content: raw})
	f.Post(fakes.Message{Room: roomID, Text: text}, func(int64) string { return e.ID })
	return e.ID
}

// Content is the content of an event as it was sent, nil for none.
func (f *Fake) Content(roomID, eventID string) json.RawMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.rooms[roomID]; r != nil && r.byID[eventID] != nil {
		return r.byID[eventID].Content
	}
	return nil
}

// member is true if the user is in a room. The caller holds mu.
func (f *Fake) member(roomID string) bool {
	return f.joined[roomID] || f.open && strings.HasPrefix(roomID, "!") && !f.left[roomID]
}

func (f *Fake) send(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		return // the client broke off
	}
	roomID, kind := r.PathValue("room"), r.PathValue("type")
	f.transact(w, r, roomID, func() (string, bool) {
		raw, why := canonical(body)
		var c content
		switch {
		case why != "":
			f.refuse(w, http.StatusBadRequest, why, "Content not JSON.")
			return "", false
		case kind == "m.room.message" && json.Unmarshal(raw, &c) != nil,
			kind == "m.room.message" && (c.Body == nil || c.MsgType == nil):
			f.refuse(w, http.StatusBadRequest, "M_BAD_JSON", "'body' and 'msgtype' must be strings")
			return "", false
		case len(raw)+eventOverhead > f.limits.EventBytes:
			f.refuse(w, http.StatusRequestEntityTooLarge, "M_TOO_LARGE", "event too large")
			return "", false
		}
		e := f.add(&event{Type: kind, Room: roomID, Sender: f.user, Content: raw})
		if kind == "m.room.message" {
			f.show(e, &c, r.PathValue("txn"))
		}
		return e.ID, true
	})
}

// transact answers a transaction that it knows with the event it made of it, and
// does any other, unless the user may not.
func (f *Fake) transact(w http.ResponseWriter, r *http.Request, roomID string, do func() (string, bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := f.token + "\x00" + r.URL.EscapedPath()
	known, ok := f.txns[key]
	id := known.event
	if !ok || f.now().Sub(known.at) > txnWindow {
		if wait := f.wait(); wait > 0 {
			f.throttle(w, wait)
			return
		}
		if !f.member(roomID) {
			f.refuse(w, http.StatusForbidden, "M_FORBIDDEN", "User "+f.user+" not in room "+roomID)
			return
		}
		if id, ok = do(); !ok {
			return
		}
		f.spend()
		f.txns[key] = txn{id, f.now()}
	}
	if !f.Lost(w) {
		answer(w, map[string]string{"event_id": id})
	}
}

// add puts an event at the end of its room's timeline. The caller holds mu.
func (f *Fake) add(e *event) *event {
	r := f.rooms[e.Room]
	if r == nil {
		r = &room{byID: make(map[string]*event)}
		f.rooms[e.Room] = r
	}
	f.events++
	hash := sha256.Sum256([]byte(strconv.Itoa(f.events)))
	e.ID, e.At = "$"+base64.RawURLEncoding.EncodeToString(hash[:]), f.now().UnixMilli()
	r.timeline = append(r.timeline, e)
	r.byID[e.ID] = e
	return e
}

// show makes a message of an event, or changes the one that it replaces. What
// replaces nothing of the user's own stays unseen. The caller holds mu.
func (f *Fake) show(e *event, c *content, txn string) {
	if c.RelatesTo.Type == "m.replace" {
		e.replaces = c.RelatesTo.EventID
		target := f.rooms[e.Room].byID[e.replaces]
		if target == nil || target.Sender != f.user || target.replaces != "" || c.New == nil || c.New.Body == nil {
			return
		}
		f.Change(e.Room, target.ID, func(m *fakes.Message) {
			m.Text, m.Format, m.Media, m.Bytes = *c.New.Body, c.New.Format, "", 0
			m.Edits++
			f.media(c.New, m)
		})
		return
	}
	m := fakes.Message{
		Room: e.Room, Text: *c.Body, Format: c.Format, Token: txn, ReplyTo: c.RelatesTo.InReplyTo.EventID,
	}
	if c.RelatesTo.Type == "m.thread" {
		m.Thread = c.RelatesTo.EventID
	}
	f.media(c, &m)
	f.Post(m, func(int64) string { return e.ID })
}

func (f *Fake) redact(w http.ResponseWriter, r *http.Request) {
	roomID, eventID := r.PathValue("room"), r.PathValue("event")
	f.transact(w, r, roomID, func() (string, bool) {
		var target *event
		if in := f.rooms[roomID]; in != nil {
			target = in.byID[eventID]
		}
		switch {
		case target == nil:
			f.refuse(w, http.StatusNotFound, "M_NOT_FOUND", "Could not find event "+eventID)
			return "", false
		case target.Sender != f.user:
			f.refuse(w, http.StatusForbidden, "M_FORBIDDEN", "You don't have permission to redact events")
			return "", false
		}
		raw, _ := json.Marshal(map[string]string{"redacts": eventID})
		e := f.add(&event{Type: "m.room.redaction", Room: roomID, Sender: f.user, Content: raw})
		target.Content = json.RawMessage("{}")
		target.Unsigned = &unsigned{RedactedBecause: map[string]any{"type": e.Type, "event_id": e.ID, "sender": f.user}}
		f.Change(roomID, eventID, func(m *fakes.Message) { m.Deleted = true })
		return e.ID, true
	})
}
