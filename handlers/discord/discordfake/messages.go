package discordfake

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

// epoch is where ids begin to count milliseconds, 22 bits to the left.
const epoch = 1420070400000

// details are what a message has beside what all fakes keep.
type details struct {
	flags       int
	everyone    bool
	edited      time.Time
	attachments []attachment
}

// nonces are those of the past minutes, the oldest first.
type nonces struct {
	posted map[string]posted
	order  []posted
}

type posted struct {
	nonce, channel, id string
	at                 time.Time
}

// find is the message with a nonce, if it is not older than the window.
func (n *nonces) find(nonce string, now time.Time, window time.Duration) (posted, bool) {
	for len(n.order) > 0 && now.Sub(n.order[0].at) > window {
		delete(n.posted, n.order[0].nonce)
		n.order = n.order[1:]
	}
	p, ok := n.posted[nonce]
	return p, ok
}

func (n *nonces) add(p posted) {
	if n.posted == nil {
		n.posted = make(map[string]posted)
	}
	n.posted[p.nonce] = p
	n.order = append(n.order, p)
}

// errUnknownMessage is the answer for a message that is not there.
var errUnknownMessage = &refusal{http.StatusNotFound, 10008, "Unknown Message", nil}

func (c *call) create() {
	p, err := c.payload()
	if err != nil {
		c.fail(err)
		return
	}
	m, err := c.post(&p)
	if err != nil {
		c.fail(err)
		return
	}
	c.accept(http.StatusOK, m)
}

// post adds a message, unless its nonce is known.
func (c *call) post(p *payload) (fakes.Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	nonce := p.nonce()
	if p.EnforceNonce && nonce != "" {
		if old, ok := c.nonces.find(nonce, c.now(), c.nonceWindow); ok {
			if m, ok := c.Change(old.channel, old.id, func(*fakes.Message) {}); ok {
				return m, nil
			}
			return fakes.Message{}, errUnknownMessage
		}
	}
	text := ""
	if p.Content != nil {
		text = *p.Content
	}
	attached, err := c.attach(p, nil)
	if err != nil {
		return fakes.Message{}, err
	}
	if empty(text, len(attached)) {
		return fakes.Message{}, &refusal{http.StatusBadRequest, 50006, "Cannot send an empty message", nil}
	}
	reply, err := c.reply(p.Reference)
	if err != nil {
		return fakes.Message{}, err
	}
	d := &details{flags: p.Flags, everyone: p.callsEverybody(), attachments: attached}
	m := fakes.Message{Room: c.channel, ReplyTo: reply, Text: text, Format: "markdown", Token: nonce}
	d.describe(&m)
	m = c.Post(m, func(n int64) string { return snowflake(time.Now(), n) })
	c.details[m.ID] = d
	if nonce != "" {
		c.nonces.find(nonce, c.now(), c.nonceWindow)
		c.nonces.add(posted{nonce, m.Room, m.ID, c.now()})
	}
	return m, nil
}

// reply is the id of the message that is replied to, empty for none.
func (c *call) reply(r *reference) (string, error) {
	if r == nil {
		return "", nil
	}
	if _, ok := c.Change(c.channel, string(r.MessageID), func(*fakes.Message) {}); ok {
		return string(r.MessageID), nil
	}
	if r.FailIfNotExists == nil || *r.FailIfNotExists {
		return "", invalidForm(faults{"message_reference": fault("REPLIES_UNKNOWN_MESSAGE", "Unknown message")})
	}
	return "", nil
}

// snowflake is the nth id. Before Discord's time, where the clock of a test may be,
// ids merely count.
func snowflake(at time.Time, n int64) string {
	return strconv.FormatInt(max(at.UnixMilli()-epoch, 0)<<22|n&(1<<22-1), 10)
}

func (c *call) edit() {
	p, err := c.payload()
	if err != nil {
		c.fail(err)
		return
	}
	m, err := c.change(&p)
	if err != nil {
		c.fail(err)
		return
	}
	c.accept(http.StatusOK, m)
}

// change edits a message. Attachments that are not listed go away, but only where
// there is a list (https://docs.discord.com/developers/resources/message#edit-message).
func (c *call) change(p *payload) (fakes.Message, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.Change(c.channel, c.message, func(*fakes.Message) {})
	if !ok {
		return fakes.Message{}, errUnknownMessage
	}
	d := c.details[c.message]
	attached, err := c.attach(p, d.attachments)
	if err != nil {
		return fakes.Message{}, err
	}
	text := old.Text
	if p.Content != nil {
		text = *p.Content
		d.everyone = p.callsEverybody()
	}
	if empty(text, len(attached)) {
		return fakes.Message{}, &refusal{http.StatusBadRequest, 50006, "Cannot send an empty message", nil}
	}
	d.attachments, d.edited = attached, time.Now()
	m, _ := c.Change(c.channel, c.message, func(m *fakes.Message) {
		m.Text = text
		m.Edits++
		d.describe(m)
	})
	return m, nil
}

// describe puts the attachments into what all fakes keep.
func (d *details) describe(m *fakes.Message) {
	names := make([]string, len(d.attachments))
	m.Bytes = 0
	for i, a := range d.attachments {
		names[i] = a.Filename
		m.Bytes += a.Size
	}
	m.Media = strings.Join(names, ", ")
}

// attach is what is attached after a request: what it keeps of old, and its files.
// An edit with a list keeps and adds what is in the list, and nothing else. The
// caller holds the lock.
func (c *call) attach(p *payload, old []attachment) ([]attachment, error) {
	attached, files := slices.Clone(old), p.files
	if p.Attachments != nil {
		listed := func(id string) bool {
			return slices.ContainsFunc(*p.Attachments, func(r attachmentRef) bool { return string(r.ID) == id })
		}
		for i, r := range *p.Attachments {
			if !slices.ContainsFunc(old, func(a attachment) bool { return a.ID == string(r.ID) }) &&
				!slices.ContainsFunc(files, func(f file) bool { return f.id == string(r.ID) }) {
				return nil, invalidForm(faults{"attachments": faults{
					strconv.Itoa(i): faults{"id": fault("ATTACHMENT_NOT_FOUND", fmt.Sprintf("Attachment %s not found.", r.ID))},
				}})
			}
		}
		attached = slices.DeleteFunc(attached, func(a attachment) bool { return !listed(a.ID) })
		if c.message != "" {
			files = slices.DeleteFunc(slices.Clone(files), func(f file) bool { return !listed(f.id) })
		}
	}
	if len(attached)+len(files) > maxFiles {
		return nil, &refusal{http.StatusBadRequest, 30015, "Maximum number of attachments in a message reached (10)", nil}
	}
	for _, f := range files {
		c.files++
		id := snowflake(time.Now(), c.files)
		attached = append(attached, attachment{
			ID: id, Filename: f.name, Size: f.size, ContentType: f.kind,
			URL: "https://cdn.discordapp.com/attachments/" + id + "/" + f.name,
		})
	}
	return attached, nil
}

func (c *call) remove() {
	if _, ok := c.Change(c.channel, c.message, func(m *fakes.Message) { m.Deleted = true }); !ok {
		c.fail(errUnknownMessage)
		return
	}
	if !c.Lost(c.w) {
		c.w.WriteHeader(http.StatusNoContent)
	}
}

// fail answers with an error of the fake's.
func (c *call) fail(err error) {
	r, ok := errors.AsType[*refusal](err)
	if !ok { // the request broke off
		r = errNoJSON
	}
	c.refuse(r.status, r.code, r.message, r.faults)
}
