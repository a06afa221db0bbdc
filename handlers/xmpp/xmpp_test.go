package xmpp_test

import (
	"encoding/xml"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/markup"
	"github.com/outgate/outgate/handlers/xmpp"
	"github.com/outgate/outgate/handlers/xmpp/prosodytest"
	"github.com/outgate/outgate/tasks"
)

const (
	alice = "alice@" + prosodytest.Domain
	hall  = "hall@" + prosodytest.Rooms
)

// channel makes a channel of the account bot.
func channel(t testing.TB, addr string) *xmpp.Channel {
	t.Helper()
	return configured(t, xmpp.Config{JID: "bot@" + prosodytest.Domain, Password: prosodytest.Password, Server: addr})
}

func configured(t testing.TB, cfg xmpp.Config) *xmpp.Channel {
	t.Helper()
	c, err := xmpp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func prosody(t testing.TB) *prosodytest.Server {
	t.Helper()
	return prosodytest.Start(t, prosodytest.Config{Accounts: []string{"bot", "alice", "bob"}})
}

func text(room, token, text string) tasks.Message {
	return tasks.Message{
		ID: token, Token: token, Operation: tasks.Send, BridgeID: "xmpp", ExternalRoomID: room,
		Text: text, Attempt: 1, Chunk: tasks.Chunk{Count: 1},
	}
}

func TestATextToAPersonArrivesAsItIs(t *testing.T) {
	srv := prosody(t)
	peer := srv.Login(t, "alice")
	d, err := channel(t, srv.Addr).Send(t.Context(), text(alice, "007-1f", "a < b & \"c\"\x00\n]]> \U0001F600"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tasks.Delivery{MessageID: "007-1f"}, d); diff != "" {
		t.Error(diff)
	}
	got := peer.Next(t)
	if got.Body != "a < b & \"c\"\n]]> \U0001F600" || got.ID != "007-1f" || got.Origin.ID != "007-1f" || got.Type != "chat" {
		t.Errorf("got %+v", got)
	}
}

func TestATextToARoomIsReflected(t *testing.T) {
	srv := prosody(t)
	peer := srv.Login(t, "alice")
	peer.Join(t, hall)
	d, err := channel(t, srv.Addr).Send(t.Context(), text(hall, "007-1f", "hello"))
	if err != nil {
		t.Fatal(err)
	}
	got := peer.Next(t)
	if got.Body != "hello" || got.ID != "007-1f" || got.Type != "groupchat" || got.From != hall+"/bot" {
		t.Errorf("got %+v", got)
	}
	want := tasks.Delivery{MessageID: "007-1f", Result: map[string]any{"stanza_id": got.Stable.ID}}
	if diff := cmp.Diff(want, d); diff != "" || got.Stable.ID == "" {
		t.Error("the room's id is missing: ", diff)
	}
}

func TestOptionsAndFormats(t *testing.T) {
	srv := prosody(t)
	peer := srv.Login(t, "alice")
	ch := channel(t, srv.Addr)
	cases := map[string]struct {
		text string
		opts tasks.Opts
		want func(*prosodytest.Message)
	}{
		"an answer":   {"yes", tasks.Opts{ReplyTo: "q<1>"}, func(m *prosodytest.Message) { m.Reply.ID = "q<1>" }},
		"a thread":    {"yes", tasks.Opts{ThreadID: "t&1"}, func(m *prosodytest.Message) { m.Thread = "t&1" }},
		"silence":     {"yes", tasks.Opts{Silent: true}, func(*prosodytest.Message) {}},
		"Markdown":    {"*yes* `no`", tasks.Opts{Format: tasks.Markdown}, func(*prosodytest.Message) {}},
		"HTML":        {"<b>yes</b> &amp; <i>no</i>", tasks.Opts{Format: tasks.HTML}, func(m *prosodytest.Message) { m.Body = markup.Text("<b>yes</b> &amp; <i>no</i>") }},
		"end of line": {"a\r\nb\rc", tasks.Opts{}, func(m *prosodytest.Message) { m.Body = "a\nb\nc" }},
	}
	n := 0
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			n++
			m := text(alice, fmt.Sprintf("007-%02d", n), c.text)
			m.Opts = c.opts
			if _, err := ch.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			want := prosodytest.Message{Body: c.text, ID: m.Token, Type: "chat"}
			want.Origin.ID = m.Token
			c.want(&want)
			got := peer.Next(t)
			got.XMLName, got.From = xml.Name{}, ""
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnEditReplacesTheFirstVersion(t *testing.T) {
	srv := prosody(t)
	peer := srv.Login(t, "alice")
	peer.Join(t, hall)
	ch := channel(t, srv.Addr)
	for _, room := range []string{alice, hall} {
		first, err := ch.Send(t.Context(), text(room, "007-1f", "helo"))
		if err != nil {
			t.Fatal(err)
		}
		peer.Next(t)
		for _, token := range []string{"007-20", "007-21"} {
			m := text(room, token, "hello")
			m.Operation, m.ExternalMessageID = tasks.Edit, first.MessageID
			d, err := ch.Edit(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			if got := peer.Next(t); got.Replace.ID != "007-1f" || got.ID != token || got.Body != "hello" {
				t.Errorf("got %+v", got)
			}
			if d.MessageID != "007-1f" {
				t.Errorf("the edit's message is %q", d.MessageID)
			}
		}
	}
}

func TestAPersonInARoomGetsAPrivateMessage(t *testing.T) {
	srv := prosody(t)
	peer := srv.Login(t, "alice")
	peer.Join(t, hall)
	if _, err := channel(t, srv.Addr).Send(t.Context(), text(hall+"/alice", "007-1f", "psst")); err != nil {
		t.Fatal(err)
	}
	if got := peer.Next(t); got.Type != "chat" || got.From != hall+"/bot" || got.Body != "psst" {
		t.Errorf("got %+v", got)
	}
}

func TestTheServersRefusalsHaveTheirVerdicts(t *testing.T) {
	srv := prosody(t)
	owner := srv.Login(t, "alice")
	owner.Join(t, "members@"+prosodytest.Rooms, prosodytest.Field("muc#roomconfig_membersonly", "1"))
	owner.Join(t, "locked@"+prosodytest.Rooms, prosodytest.Field("muc#roomconfig_passwordprotectedroom", "1"), prosodytest.Field("muc#roomconfig_roomsecret", "sesame"))
	owner.Join(t, "talk@"+prosodytest.Rooms, prosodytest.Field("muc#roomconfig_moderatedroom", "1"))
	owner.Join(t, "banned@"+prosodytest.Rooms)
	owner.Admin(t, "banned@"+prosodytest.Rooms, `<item affiliation="outcast" jid="bot@localhost"/>`)
	ch := channel(t, srv.Addr)
	for room, code := range map[string]string{
		"nobody@" + prosodytest.Domain:   "service-unavailable",
		"members@" + prosodytest.Rooms:   "registration-required",
		"locked@" + prosodytest.Rooms:    "not-authorized",
		"talk@" + prosodytest.Rooms:      "forbidden",
		"banned@" + prosodytest.Rooms:    "forbidden",
		"nowhere@" + prosodytest.Rooms:   "item-not-found",
		"alice@elsewhere.example":        "not-allowed",
		"a b@" + prosodytest.Rooms + "/": "",
	} {
		t.Run(room, func(t *testing.T) {
			_, err := ch.Send(t.Context(), text(room, "007-1f", "hello"))
			v, e := verdict(t, err)
			if v.Reason != classify.ReasonRoomUnavailable || v.Category != classify.Terminal || v.Ambiguous || e.Code != code {
				t.Errorf("got %+v, code %q, want %q", v, e.Code, code)
			}
		})
	}
}

func TestAWrongPasswordIsFatal(t *testing.T) {
	srv := prosody(t)
	ch := configured(t, xmpp.Config{JID: "bot@localhost", Password: "not it at all", Server: srv.Addr})
	_, err := ch.Send(t.Context(), text(alice, "007-1f", "hello"))
	wantVerdict(t, err, classify.Fatal, classify.ReasonUnauthorized, classify.SentNo)
}

func TestARoomThatThrewUsOutIsEnteredAgain(t *testing.T) {
	srv := prosody(t)
	peer := srv.Login(t, "alice")
	peer.Join(t, hall)
	ch := channel(t, srv.Addr)
	for _, token := range []string{"007-1f", "007-20"} {
		if _, err := ch.Send(t.Context(), text(hall, token, "hello")); err != nil {
			t.Fatal(err)
		}
		if got := peer.Next(t); got.ID != token {
			t.Errorf("got %+v", got)
		}
		peer.Admin(t, hall, `<item nick="bot" role="none"/>`)
	}
}
