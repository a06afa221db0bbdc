package xmppfake_test

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"mellium.im/sasl"
	mellium "mellium.im/xmpp"
	"mellium.im/xmpp/jid"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/internal/fakes"
	"github.com/outgate/outgate/handlers/xmpp"
	"github.com/outgate/outgate/handlers/xmpp/xmppfake"
	"github.com/outgate/outgate/tasks"
)

const (
	alice = "alice@localhost"
	hall  = "hall@rooms.localhost"
)

// start starts a fake, and makes a channel for it.
func start(t *testing.T, cfg xmppfake.Config) (*xmppfake.Fake, *xmpp.Channel, string) {
	t.Helper()
	cfg.Password = "pa55word"
	f := xmppfake.New(cfg)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = f.Serve(l)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-served
	})
	return f, channel(t, l.Addr().String()), l.Addr().String()
}

func channel(t *testing.T, addr string) *xmpp.Channel {
	t.Helper()
	c, err := xmpp.New(xmpp.Config{JID: "bot@localhost", Password: "pa55word", Server: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func message(op tasks.Operation, room, token, edits string) tasks.Message {
	m := tasks.Message{Token: token, Operation: op, ExternalRoomID: room, ExternalMessageID: edits, Text: "hello " + token}
	if op.IsMedia() {
		m.Text, m.Media = "", &tasks.Media{Kind: tasks.Image}
		m.Content = &tasks.Content{
			Size: 4, MediaType: "image/png", Filename: "a cat.png",
			Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("\x89PNG")), nil },
		}
	}
	return m
}

func TestWhatIsSentIsKept(t *testing.T) {
	f, ch, _ := start(t, xmppfake.Config{})
	for _, room := range []string{alice, hall} {
		first := message(tasks.Send, room, "1", "")
		first.Opts = tasks.Opts{ThreadID: "t", ReplyTo: "r"}
		d, err := ch.Send(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		if room == hall && d.Result["stanza_id"] != "1-in-room" {
			t.Errorf("got %+v", d)
		}
		if _, err := ch.Edit(t.Context(), message(tasks.Edit, room, "2", "1")); err != nil {
			t.Fatal(err)
		}
		picture, err := ch.SendMedia(t.Context(), message(tasks.SendMedia, room, "3", ""))
		if err != nil {
			t.Fatal(err)
		}
		edited, err := ch.EditMedia(t.Context(), message(tasks.EditMedia, room, "4", "3"))
		if err != nil {
			t.Fatal(err)
		}
		address, _ := edited.Result["url"].(string)
		if address == "" || address == picture.Result["url"] {
			t.Errorf("the media are at %v and %q", picture.Result["url"], address)
		}
		want := []fakes.Message{
			{ID: "1", Room: room, Thread: "t", ReplyTo: "r", Text: "hello 2", Format: "plain", Token: "1", Edits: 1},
			{ID: "3", Room: room, Text: address, Format: "plain", Token: "3", Media: address, Edits: 1},
		}
		if diff := cmp.Diff(want, f.Messages(room), cmpopts.IgnoreFields(fakes.Message{}, "At")); diff != "" {
			t.Error(diff)
		}
		resp, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "a file of 4 bytes\n" {
			t.Errorf("at the address is %q", body)
		}
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	f, ch, addr := start(t, xmppfake.Config{MaxUpload: 3})
	reason := func(err error, want classify.Reason) {
		t.Helper()
		if v := classify.Classify(err); v.Reason != want || v.Ambiguous {
			t.Errorf("got %s (%v), want %s", v.Reason, err, want)
		}
	}
	_, err := ch.SendMedia(t.Context(), message(tasks.SendMedia, alice, "1", ""))
	reason(err, classify.ReasonMediaRejected)
	// The channel knows the limit it was told; the server has another now.
	f.LimitUpload(2)
	m := message(tasks.SendMedia, alice, "2", "")
	m.Content.Size = 3
	_, err = ch.SendMedia(t.Context(), m)
	reason(err, classify.ReasonMediaRejected)
	f.LimitUpload(3)
	_, err = ch.SendMedia(t.Context(), m) // 4 bytes come, as 3
	if err == nil {
		t.Error("a file of another size is taken")
	}
	f.CloseRoom(alice)
	f.CloseRoom(hall)
	for _, room := range []string{alice, hall} {
		_, err = ch.Send(t.Context(), message(tasks.Send, room, "3", ""))
		reason(err, classify.ReasonRoomUnavailable)
	}
	f.SetToken("another")
	_, err = channel(t, addr).Send(t.Context(), message(tasks.Send, alice, "4", ""))
	reason(err, classify.ReasonUnauthorized)
	if rooms := f.Rooms(); rooms != nil {
		t.Errorf("rooms are %q", rooms)
	}
	if c := f.Counts(); c.Refused != 3 {
		t.Errorf("got %+v", c)
	}
}

func TestALostReplyLeavesTheMessageOpen(t *testing.T) {
	f, ch, _ := start(t, xmppfake.Config{})
	f.Lose(1)
	_, err := ch.Send(t.Context(), message(tasks.Send, hall, "1", ""))
	if v := classify.Classify(err); v.Reason != classify.ReasonConnectionLost || !v.Ambiguous {
		t.Errorf("got %+v: %v", v, err)
	}
	if _, err := ch.Send(t.Context(), message(tasks.Send, hall, "1", "")); err != nil {
		t.Error(err)
	}
	if n := len(f.Messages(hall)); n != 2 || f.Counts().Lost != 1 {
		t.Errorf("%d messages, %+v", n, f.Counts())
	}
}

func TestAFileIsForItsSlot(t *testing.T) {
	f, ch, _ := start(t, xmppfake.Config{})
	d, err := ch.SendMedia(t.Context(), message(tasks.SendMedia, alice, "1", ""))
	if err != nil {
		t.Fatal(err)
	}
	slot, _ := url.Parse(d.Result["url"].(string))
	for _, c := range []struct {
		path, token, body string
		want              int
	}{
		{"/slot-9/x", "slot-9", "1234", http.StatusNotFound},
		{slot.Path, "slot-9", "1234", http.StatusForbidden},
		{slot.Path, "slot-1", "12345", http.StatusRequestEntityTooLarge},
		{slot.Path, "slot-1", "1234", http.StatusCreated},
	} {
		w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPut, c.path, strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer "+c.token)
		if f.ServeHTTP(w, r); w.Code != c.want {
			t.Errorf("%+v: got %d", c, w.Code)
		}
	}
}

func TestARoomIsNotForThoseWhoAreNotInIt(t *testing.T) {
	_, _, addr := start(t, xmppfake.Config{})
	for stanza, want := range map[string]string{
		`<message type="groupchat" to="hall@rooms.localhost" id="1"><body>hi</body></message>`:                                                           "not-acceptable",
		`<presence to="hall@rooms.localhost/a"><x xmlns="http://jabber.org/protocol/muc"/></presence>`:                                                   `<status code="110"`,
		`<presence to="hall@rooms.localhost/a" type="unavailable"/><message type="groupchat" to="hall@rooms.localhost" id="2"><body>hi</body></message>`: "not-acceptable",
		`<iq type="get" id="3" to="x@y"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`:                                                     `from="x@y"`,
		`</a>`: "",
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		plain := base64.StdEncoding.EncodeToString([]byte("\x00a\x00pa55word"))
		_, _ = io.WriteString(conn, `<stream:stream xmlns="jabber:client"><auth>`+plain+`</auth><stream:stream><iq id="b"/>`+stanza+`</stream>`)
		got, _ := io.ReadAll(conn)
		_ = conn.Close()
		if !strings.Contains(string(got), want) {
			t.Errorf("%s: got %s", stanza, got)
		}
	}
}

func TestALoginThatIsNoneIsRefused(t *testing.T) {
	_, _, addr := start(t, xmppfake.Config{})
	for _, said := range []string{"", "<stream>", "<stream><auth>", "<stream><auth>?</auth>", "<stream><auth>AGEAcGE1NXdvcmQ=</auth></stream>"} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, said)
		_ = conn.(*net.TCPConn).CloseWrite()
		got, _ := io.ReadAll(conn)
		_ = conn.Close()
		if strings.Contains(string(got), "<jid>") {
			t.Errorf("%s: got %s", said, got)
		}
	}
}

// A client of another kind logs in, too.
func TestTheLibraryLogsIn(t *testing.T) {
	_, _, addr := start(t, xmppfake.Config{})
	for password, ok := range map[string]bool{"pa55word": true, "other": false} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		auth := mellium.SASL("", password, sasl.Plain)
		auth.Necessary = 0
		s, err := mellium.NewClientSession(t.Context(), jid.MustParse(alice), conn, auth, mellium.BindResource())
		if (err == nil) != ok {
			t.Errorf("with %q: %v", password, err)
		}
		if ok && s.LocalAddr().String() != alice+"/fake" {
			t.Errorf("the address is %s", s.LocalAddr())
		}
		_ = conn.Close()
	}
}
