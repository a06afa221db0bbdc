package e2e

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/handlers/xmpp"
	"github.com/outgate/outgate/handlers/xmpp/prosodytest"
	"github.com/outgate/outgate/handlers/xmpp/xmppfake"
	"github.com/outgate/outgate/tasks"
)

// jabber is a Prosody server in place of a fake. Its archive has the messages.
type jabber struct {
	http.Handler // nil: the server serves itself
	*prosodytest.Server
	t     *testing.T
	rooms int
	// password is the file with the bridge's password.
	password string
}

// owner is the account that makes the rooms.
const owner = "owner"

// newJabber starts a server and makes rooms; every other room is a person.
func newJabber(t *testing.T, rooms int) *jabber {
	t.Helper()
	j := &jabber{t: t, rooms: rooms, password: filepath.Join(t.TempDir(), "password")}
	accounts := []string{"bot", owner}
	for n := 1; n < rooms; n += 2 {
		accounts = append(accounts, fmt.Sprint("person", n))
	}
	j.Server = prosodytest.Start(t, prosodytest.Config{Accounts: accounts, Archive: true})
	peer := j.Login(t, owner)
	for n := 0; n < rooms; n += 2 {
		peer.Join(t, j.room(n), prosodytest.Lasting)
	}
	outgatetest.WriteFile(t, j.password, prosodytest.Password)
	return j
}

// room is the nth room: a group room if n is even, else a person.
func (j *jabber) room(n int) string {
	if n%2 == 0 {
		return fmt.Sprintf("room%d@%s", n, prosodytest.Rooms)
	}
	return fmt.Sprintf("person%d@%s", n, prosodytest.Domain)
}

// open starts a Redis and a worker with a bridge to the server; keys are further keys of
// the bridge.
func (j *jabber) open(keys string) *gateway {
	j.t.Helper()
	p := &provider{
		fakeServer: j, channel: "xmpp", room: j.room,
		keys: fmt.Sprintf("jid: bot@%s, password_file: %q, %s", prosodytest.Domain, j.password, keys),
	}
	return p.openAt(j.t, "xmpp://"+j.Addr)
}

// got returns the messages of a room in their order.
func (j *jabber) got(room string) []prosodytest.Message {
	reader, isPerson := strings.CutSuffix(room, "@"+prosodytest.Domain)
	if !isPerson {
		reader = owner
	}
	return j.Login(j.t, reader).Archive(j.t, room)
}

// Messages are the messages that a client shows, with corrections applied. Their times
// only tell the order.
func (j *jabber) Messages(room string) []message {
	var shown []message
	first := make(map[string]int)
	for i, m := range j.got(room) {
		if m.Replace.ID != "" {
			at, known := first[m.Replace.ID]
			if !known {
				j.t.Errorf("got a correction %s of %s, want one of a message in the room", m.ID, m.Replace.ID)
				continue
			}
			shown[at].Text, shown[at].Media = m.Body, m.OOB.URL
			shown[at].Edits++
			continue
		}
		if _, twice := first[m.ID]; !twice {
			first[m.ID] = len(shown)
		}
		shown = append(shown, message{
			ID: m.ID, Room: room, Text: m.Body, Media: m.OOB.URL, Token: m.Origin.ID, At: time.UnixMilli(int64(i)),
		})
	}
	return shown
}

// Rooms are all rooms.
func (j *jabber) Rooms() []string {
	var rooms []string
	for n := range j.rooms {
		rooms = append(rooms, j.room(n))
	}
	return rooms
}

// Counts is always empty.
func (*jabber) Counts() telegramfake.Counts { return telegramfake.Counts{} }

// Lose does nothing: Prosody loses no reply.
func (*jabber) Lose(int) {}

func TestAllOperationsReachPeopleAndRoomsOfAnXMPPServer(t *testing.T) {
	t.Parallel()
	d := newJabber(t, 2).open("delivery: {max_attempts: 2}")
	data := base64.StdEncoding.EncodeToString(png)
	for room := range 2 {
		id := d.Send(d.envelope(room, tasks.Send, tasks.Text("helo"), "")).MessageID
		for _, text := range []string{"hallo", "hello"} {
			if again := d.Send(d.envelope(room, tasks.Edit, tasks.Text(text), id)).MessageID; again != id {
				t.Errorf("the edit of %s is %s", id, again)
			}
		}
		media := d.Send(d.envelope(room, tasks.SendMedia, picture(tasks.Media{Data: data, Filename: "dot.png", Caption: "a dot"}), ""))
		before, _ := media.Result["url"].(string)
		edited := d.Send(d.envelope(room, tasks.EditMedia, picture(tasks.Media{Data: data, Filename: "new.png", Caption: "a new dot"}), media.MessageID))
		after, _ := edited.Result["url"].(string)
		type shown struct {
			ID, Text, Media string
			Edits           int
		}
		var got []shown
		for _, m := range d.Messages(d.room(room)) {
			got = append(got, shown{m.ID, m.Text, m.Media, m.Edits})
		}
		want := []shown{{id, "hello", "", 2}, {media.MessageID, after, after, 1}, {media.MessageID + "-caption", "a new dot", "", 1}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d.room(room), diff)
		}
		if before == after || !strings.HasSuffix(before, "/dot.png") || !strings.HasSuffix(after, "/new.png") {
			t.Errorf("got media at %q, then at %q; want dot.png, then new.png at another URL", before, after)
		}
		resp, err := http.Get(after)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !slices.Equal(body, png) {
			t.Errorf("got %d bytes (%s, %v) at the URL, want the image", len(body), resp.Status, err)
		}
		if stable := media.Result["stanza_id"]; (stable != nil) != (room == 0) {
			t.Errorf("got stanza id %v, want one in group rooms only", stable)
		}
	}
}

func TestABaseURLStandsInForTheXMPPServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	server := xmppfake.New(xmppfake.Config{})
	go func() { _ = server.Serve(listener) }()
	cfg, err := config.Parse("c.yaml", fmt.Appendf(nil,
		"bridges: [{id: x, channel: xmpp, jid: bot@localhost, password: pa55word, server: \"127.0.0.1:1\", base_url: \"xmpp://%s/\"}]", listener.Addr(),
	), channels.Known, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	channel, err := channels.Open(&cfg.Bridges[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(channel.(*xmpp.Channel).Close)
	room := "hall@rooms.localhost"
	if _, err := channel.Send(t.Context(), tasks.Message{Token: "1", Operation: tasks.Send, ExternalRoomID: room, Text: "x"}); err != nil {
		t.Error(err)
	}
	if lines := server.Lines(room); len(lines) != 1 {
		t.Errorf("got lines %q, want 1", lines)
	}
}

func TestRefusalsOfAnXMPPServerHaveTheRightReason(t *testing.T) {
	t.Parallel()
	j := newJabber(t, 1)
	peer := j.Login(t, owner)
	peer.Join(t, "members@"+prosodytest.Rooms, prosodytest.Field("muc#roomconfig_membersonly", "1"))
	peer.Join(t, "moderated@"+prosodytest.Rooms, prosodytest.Field("muc#roomconfig_moderatedroom", "1"))
	d := j.open("delivery: {max_attempts: 2}")
	large := tasks.Media{Data: base64.StdEncoding.EncodeToString(append(slices.Clone(png), make([]byte, prosodytest.MaxUpload)...))}
	for _, tc := range []struct {
		room    string
		op      tasks.Operation
		payload tasks.Payload
		reason  classify.Reason
		code    string
	}{
		{"nowhere@" + prosodytest.Rooms, tasks.Send, tasks.Text("x"), classify.ReasonRoomUnavailable, "item-not-found"},
		{"members@" + prosodytest.Rooms, tasks.Send, tasks.Text("x"), classify.ReasonRoomUnavailable, "registration-required"},
		{"moderated@" + prosodytest.Rooms, tasks.Send, tasks.Text("x"), classify.ReasonRoomUnavailable, "forbidden"},
		{"nobody@" + prosodytest.Domain, tasks.Send, tasks.Text("x"), classify.ReasonRoomUnavailable, "service-unavailable"},
		{"no JID @", tasks.Send, tasks.Text("x"), classify.ReasonRoomUnavailable, ""},
		{d.room(0), tasks.SendMedia, picture(large), classify.ReasonMediaRejected, ""},
	} {
		e := tasks.Envelope{Operation: tc.op, BridgeID: "b", ExternalRoomID: tc.room, Payload: tc.payload}
		o := d.Outcome(d.Enqueue(e)).Error
		switch {
		case o == nil:
			t.Errorf("%s: got a success, want reason %s", tc.room, tc.reason)
		case o.Category != classify.Terminal || o.Reason != tc.reason || o.Provider.Code != tc.code || o.Ambiguous || o.Attempt != 1:
			t.Errorf("%s: got %+v, want terminal %s with code %q at attempt 1", tc.room, o, tc.reason, tc.code)
		}
	}
	d.Send(d.envelope(0, tasks.Send, tasks.Text("the others go on"), ""))
}

func TestALongTextReadsAsOneOverXMPP(t *testing.T) {
	t.Parallel()
	d := newJabber(t, 2).open(noLimits)
	text := markdownText(characters)
	for room, format := range []tasks.Format{tasks.Markdown, tasks.Plain} {
		e := d.envelope(room, tasks.Send, tasks.Text(text), "")
		e.Opts = &tasks.Opts{Format: format}
		s := d.Send(e)
		pieces := d.texts(room)
		t.Logf("%s: %d characters in %d pieces", format, utf8.RuneCountInString(text), len(pieces))
		if len(s.MessageIDs) != len(pieces) || len(pieces) < 3 {
			t.Errorf("got %d ids for %d pieces, want one id for each of at least 3", len(s.MessageIDs), len(pieces))
		}
		if format == tasks.Markdown {
			whole(t, "xmpp", text, pieces)
		} else if got, want := read(pieces...), read(text); got != want {
			t.Errorf("got %d bytes in %d pieces, want %d", len(got), len(pieces), len(want))
		}
	}
}

func TestAnEditLongerThanOneMessageReadsRightOverXMPP(t *testing.T) {
	t.Parallel()
	d := newJabber(t, 2).open(noLimits)
	for room := range 2 {
		id := d.Send(d.envelope(room, tasks.Send, tasks.Text("short"), "")).MessageID
		most := 1
		for _, step := range []struct {
			text   string
			pieces int
		}{{words(1800), 3}, {"short again", 1}, {words(1200), 2}, {words(1800), 3}, {"the end", 1}} {
			d.Send(d.envelope(room, tasks.Edit, tasks.Text(step.text), id))
			most = max(most, step.pieces)
			texts := d.texts(room)
			// XMPP cannot delete a message: a piece that is not needed becomes "…".
			want := strings.Repeat("…", most-step.pieces)
			if len(texts) != most || read(texts...) != read(step.text)+want {
				t.Errorf("got %d messages with %d bytes, want %d with %d", len(texts), len(read(texts...)), most, len(read(step.text)+want))
			}
		}
	}
}

func TestOfTwoHundredEditsInASecondAnXMPPRoomSeesTheLast(t *testing.T) {
	t.Parallel()
	newJabber(t, 1).open(`delivery: {coalesce_edits: true}, limits: {bridge: "5/2500ms"}`).flood()
}
