package xmpp_test

import (
	"encoding/xml"
	"net"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/channeltest"
	"github.com/outgate/outgate/handlers/xmpp"
	"github.com/outgate/outgate/handlers/xmpp/prosodytest"
	"github.com/outgate/outgate/handlers/xmpp/xmppfake"
	"github.com/outgate/outgate/tasks"
)

func TestConformance(t *testing.T) {
	channeltest.Run(t, channeltest.Harness{
		New: func(address string) (channeltest.Channel, error) {
			return xmpp.New(xmpp.Config{
				JID: "bot@localhost", Password: prosodytest.Password, Server: strings.TrimPrefix(address, "http://"),
			})
		},
		Provider:  provider,
		Rooms:     []string{alice, hall},
		Secrets:   []string{prosodytest.Password},
		PlainText: true,
	})
}

// provider is a fake server, whose uploads go to a URL of the suite's.
func provider(tb testing.TB, url string) channeltest.Provider {
	fake := xmppfake.New(xmppfake.Config{Password: prosodytest.Password, Uploads: url})
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = fake.Serve(l)
	}()
	tb.Cleanup(func() {
		_ = l.Close()
		<-served
	})
	return channeltest.Provider{
		Handler:  fake,
		Address:  l.Addr().String(),
		Messages: func(room string) []channeltest.Message { return seen(fake, room) },
		Revoke:   func() { fake.SetToken("another") },
	}
}

// seen is what readers see of a room. A caption is a message behind its media, and the
// text of media is their address.
func seen(fake *xmppfake.Fake, room string) (all []channeltest.Message) {
	for _, m := range fake.Messages(room) {
		if of, is := strings.CutSuffix(m.ID, "-caption"); is && len(all) > 0 && all[len(all)-1].ID == of {
			all[len(all)-1].Text = m.Text
			continue
		}
		found := channeltest.Message{ID: m.ID, Text: m.Text, Media: m.Media, Size: fake.Uploaded(m.Media)}
		if m.Media != "" {
			found.Text = ""
		}
		all = append(all, found)
	}
	return all
}

// The fake is ours; what can be checked without looking into rooms is checked with a
// real server, too.
func TestConformanceWithProsody(t *testing.T) {
	srv := prosody(t)
	srv.Login(t, "alice").Join(t, hall)
	for name, room := range map[string]string{"a person": alice, "a room": hall} {
		t.Run(name, func(t *testing.T) {
			channeltest.Run(t, channeltest.Harness{
				New: func(string) (channeltest.Channel, error) {
					return xmpp.New(xmpp.Config{JID: "bot@localhost", Password: prosodytest.Password, Server: srv.Addr})
				},
				Unseen:  true,
				Rooms:   []string{room, room},
				Secrets: []string{prosodytest.Password},
			})
		})
	}
}

func TestConfigurationThatCannotBeUsedIsNamed(t *testing.T) {
	good := xmpp.Config{JID: "bot@localhost", Password: "p", Server: "127.0.0.1:5222", MUC: []string{"rooms.localhost"}, Nick: "robot"}
	if c, err := xmpp.New(good); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	for name, c := range map[string]struct {
		change func(*xmpp.Config)
		want   string
	}{
		"no account":             {func(c *xmpp.Config) { c.JID = "" }, "xmpp: jid: is required"},
		"a domain":               {func(c *xmpp.Config) { c.JID = "localhost" }, "xmpp: jid: is not of the form user@domain"},
		"an account of nothing":  {func(c *xmpp.Config) { c.JID = "@" }, "xmpp: jid: is not of the form user@domain"},
		"a resource":             {func(c *xmpp.Config) { c.JID = "bot@localhost/1" }, "xmpp: jid: must have no resource: each connection gets its own"},
		"no password":            {func(c *xmpp.Config) { c.Password = "" }, "xmpp: password: is required"},
		"a server without port":  {func(c *xmpp.Config) { c.Server = "localhost" }, "xmpp: server: is not of the form host:port"},
		"a server that is a URL": {func(c *xmpp.Config) { c.Server = "http://localhost:1" }, "xmpp: server: is not of the form host:port"},
		"a room for a service":   {func(c *xmpp.Config) { c.MUC = []string{hall} }, "xmpp: muc: is not a list of domains"},
		"a nick that is none":    {func(c *xmpp.Config) { c.Nick = "\x00" }, "xmpp: nick: cannot be a name in a room"},
	} {
		cfg := good
		c.change(&cfg)
		_, err := xmpp.New(cfg)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestARoomThatIsNoJIDIsUnavailable(t *testing.T) {
	_, err := channel(t, "127.0.0.1:1").Send(t.Context(), text("@", "007-1f", "hello"))
	wantVerdict(t, err, "terminal", "room_unavailable", 1)
}

func TestCapabilities(t *testing.T) {
	caps := channel(t, "127.0.0.1:1").Capabilities()
	if caps.Idempotency != tasks.Blind || !caps.FetchesMedia || caps.Window != 0 || caps.Calls != nil {
		t.Errorf("got %+v", caps)
	}
	got := map[string]int{}
	want := map[string]int{"": 0, "abc": 3, "é€\U0001F600": 9, `<&>"`: 18, "a\x00\x0b\uFFFEb": 2, "\t\n\r": 3, "\xff": 3}
	for s := range want {
		got[s] = caps.Text.Measure(s, tasks.Plain)
		if n := caps.Caption.Measure(s, tasks.Markdown); n != got[s] {
			t.Errorf("a caption %q counts %d, a text %d", s, n, got[s])
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTheLongestTextAndItsEditFitInAStanza(t *testing.T) {
	s := serve(t, &script{})
	ch := channel(t, s.addr)
	length := ch.Capabilities().Text
	longest := ""
	for _, unit := range []string{"&", "x", "\U0001F600"} {
		longest = strings.Repeat(unit, length.Max/length.Measure(unit, tasks.Plain))
		m := text(alice, "007-000000000000001f.3", longest)
		m.Operation, m.ExternalMessageID = tasks.Edit, "007-000000000000001e.3"
		m.Opts = tasks.Opts{ReplyTo: strings.Repeat("r", 128), ThreadID: strings.Repeat("t", 128)}
		m.Token += unit
		if _, err := ch.Edit(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	all := s.all("message", "<replace")
	if len(all) != 3 {
		t.Fatalf("%d messages", len(all))
	}
	for _, e := range all {
		// RFC 6120, 13.12: no server may refuse 10,000 bytes.
		if n := len(e.Inner) + 512; n > 10_000 {
			t.Errorf("a stanza of %d bytes", n)
		}
		if !utf8.ValidString(e.Body) || length.Measure(e.Body, tasks.Plain) != length.Max {
			t.Errorf("a body of %d", length.Measure(e.Body, tasks.Plain))
		}
	}
}

// A server would close the stream on it, and every attempt would do that to all rooms.
func TestIDThatFillsAStanzaIsNotSent(t *testing.T) {
	s := serve(t, &script{})
	ch := channel(t, s.addr)
	long := strings.Repeat("i", 513)
	edit := text(alice, "007-1f", "hello")
	edit.Operation, edit.ExternalMessageID = tasks.Edit, long
	_, err := ch.Edit(t.Context(), edit)
	wantVerdict(t, err, classify.Terminal, classify.ReasonInvalidRequest, classify.SentNo)
	for _, opts := range []tasks.Opts{{ReplyTo: long}, {ThreadID: long}} {
		m := text(alice, "007-1f", "hello")
		m.Opts = opts
		_, err := ch.Send(t.Context(), m)
		wantVerdict(t, err, classify.Terminal, classify.ReasonInvalidRequest, classify.SentNo)
	}
	if n := len(s.all("message", "")); n != 0 {
		t.Errorf("%d messages", n)
	}
	m := text(alice, "007-20", "hello")
	m.Opts = tasks.Opts{ReplyTo: long[1:], ThreadID: long[1:]}
	if _, err := ch.Send(t.Context(), m); err != nil {
		t.Error(err)
	}
}

func TestHTMLIsMeasuredAsTheTextThatIsSent(t *testing.T) {
	s := serve(t, &script{})
	ch := channel(t, s.addr)
	length := ch.Capabilities().Text
	for name, html := range map[string]string{
		"tags":   strings.Repeat(`<p>Hello <b>world</b> &amp; <a href="https://example.com/a">all</a></p>`, 9),
		"rules":  strings.Repeat("<hr>a", 9),
		"lists":  strings.Repeat("<ul><li>", 20) + strings.Repeat("<br>a", 9),
		"quotes": strings.Repeat("<blockquote>", 20) + strings.Repeat("<br>a", 9),
		"a link": `<a href="https://example.com/a">` + strings.Repeat("<p>a", 9),
	} {
		m := text(alice, "007-1f-"+strings.ReplaceAll(name, " ", "-"), html)
		m.Opts.Format = tasks.HTML
		if _, err := ch.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		sent := s.all("message", m.Token)
		if len(sent) != 1 {
			t.Fatalf("%s: %d messages", name, len(sent))
		}
		body := len(xmpp.Body(sent[0].Body)) - len(xmpp.Body(""))
		if n := length.Measure(html, tasks.HTML); 2*n != body { // the body and, in Body, an attribute
			t.Errorf("%s: %d bytes count %d, and take %d", name, len(html), n, body/2)
		}
	}
}

// Whatever the text, the stream stays one of XML, and the text counts as much as it
// takes.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a < b && \"c\" > 'd'", "]]>", "\x00\x1b\uFFFE\uFFFF\xff\xed\xa0\x80", "\r\n\t", "\U0001F600"} {
		f.Add(s)
	}
	length := channel(f, "127.0.0.1:1").Capabilities().Text
	f.Fuzz(func(t *testing.T, s string) {
		raw := xmpp.Body(s)
		var got struct {
			ID   string `xml:"id,attr"`
			Text string `xml:",chardata"`
		}
		if err := xml.Unmarshal(raw, &got); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		want := strings.Map(func(r rune) rune {
			if r < ' ' && !strings.ContainsRune("\t\r\n", r) || r == 0xFFFE || r == 0xFFFF {
				return -1
			}
			return r
		}, s)
		if want = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(want); got.Text != want || got.ID != want {
			t.Errorf("%q became %q", want, got.Text)
		}
		if n := 2*length.Measure(s, tasks.Plain) + len(xmpp.Body("")); n != len(raw) {
			t.Errorf("%q counts %d, but takes %d", s, n, len(raw))
		}
	})
}
