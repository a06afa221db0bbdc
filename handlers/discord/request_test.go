package discord_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/discord"
	"github.com/outgate/outgate/tasks"
)

func TestRequest(t *testing.T) {
	const nobody = `"allowed_mentions":{"parse":[],"replied_user":false}`
	const room, msg = "/api/v10/channels/42/messages", "/api/v10/channels/42/messages/17"
	cases := map[string]struct {
		op     tasks.Operation
		change func(*tasks.Message)
		method string
		path   string
		want   string // NONCE stands for the nonce
	}{
		"a new message": {
			tasks.Send, func(m *tasks.Message) { m.Text = "a_b <@1> @everyone" }, "POST", room,
			`{"content":"a\\_b \\\u003c@1\u003e @everyone","nonce":"NONCE","enforce_nonce":true,` + nobody + `}`,
		},
		"a new message with all there is": {
			tasks.Send, func(m *tasks.Message) {
				m.Text = "**a_b**"
				m.Opts = tasks.Opts{Format: tasks.Markdown, ReplyTo: "16", ThreadID: "43", Silent: true}
			}, "POST", "/api/v10/channels/43/messages",
			`{"content":"**a_b**","nonce":"NONCE","enforce_nonce":true,"flags":4096,` + nobody +
				`,"message_reference":{"message_id":"16","fail_if_not_exists":false}}`,
		},
		"an edit has neither nonce nor flags nor reply": {
			tasks.Edit, func(m *tasks.Message) {
				m.Text, m.Opts = "new", tasks.Opts{Format: tasks.Plain, ReplyTo: "16", Silent: true}
			}, "PATCH", msg,
			`{"content":"new",` + nobody + `}`,
		},
		"an edit in a thread": {
			tasks.Edit, func(m *tasks.Message) { m.Opts.ThreadID = "43" }, "PATCH", "/api/v10/channels/43/messages/17",
			`{"content":"hello",` + nobody + `}`,
		},
		"media": {
			tasks.SendMedia, func(m *tasks.Message) { m.Opts.Silent = true }, "POST", room,
			`{"content":"a cat","nonce":"NONCE","enforce_nonce":true,"flags":4096,` + nobody + `,"attachments":[{"id":0,"filename":"cat.png"}]}`,
		},
		"media without a caption take the old text away": {
			tasks.EditMedia, func(m *tasks.Message) { m.Media.Caption = "" }, "PATCH", msg,
			`{"content":"",` + nobody + `,"attachments":[{"id":0,"filename":"cat.png"}]}`,
		},
		"a room that is no id leads nowhere else": {
			tasks.Send, func(m *tasks.Message) { m.ExternalRoomID = "../guilds/1?x#y" }, "POST", "/api/v10/channels/..%2Fguilds%2F1%3Fx%23y/messages",
			`{"content":"hello","nonce":"NONCE","enforce_nonce":true,` + nobody + `}`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			url, got := recorder(t, 200, golden(t, "message.json"))
			m := message(c.op)
			c.change(&m)
			ch := channel(t, url)
			if _, err := method(ch, c.op)(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			r := <-got
			if nonce := wireNonce(t, r.json); nonce != "" {
				if len(nonce) != 22 {
					t.Errorf("the nonce %q has %d characters", nonce, len(nonce))
				}
				r.json = strings.Replace(r.json, nonce, "NONCE", 1)
			}
			want := request{method: c.method, path: c.path, json: c.want}
			if c.op.IsMedia() {
				want.filename, want.kind, want.file = "cat.png", "image/png", "meow"
			}
			header := r.header
			r.header = nil
			if d := cmp.Diff(want, r, cmp.AllowUnexported(request{})); d != "" {
				t.Error(d)
			}
			for k, v := range map[string]string{
				"Authorization": "Bot " + token,
				"User-Agent":    "DiscordBot (https://github.com/outgate/outgate, 1)",
			} {
				if header.Get(k) != v {
					t.Errorf("%s is %q", k, header.Get(k))
				}
			}
			kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
			if wantKind := map[bool]string{false: "application/json", true: "multipart/form-data"}[c.op.IsMedia()]; kind != wantKind {
				t.Errorf("Content-Type is %q", kind)
			}
		})
	}
}

func TestDeleteAsksForOneMessage(t *testing.T) {
	url, got := recorder(t, 204, "")
	m := message(tasks.Edit)
	m.Opts.ThreadID = "43"
	if err := channel(t, url+"/prefix%2Fed/").Delete(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	r := <-got
	if r.method != "DELETE" || r.path != "/prefix%2Fed/api/v10/channels/43/messages/17" || r.json != "" || r.header.Get("Content-Type") != "" {
		t.Errorf("got %+v", r)
	}
}

func TestNonceIsOfTheMessageAndItsRoom(t *testing.T) {
	url, got := recorder(t, 200, golden(t, "message.json"))
	ch := channel(t, url)
	nonce := func(change func(*tasks.Message)) string {
		m := message(tasks.Send)
		change(&m)
		if _, err := ch.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		return wireNonce(t, (<-got).json)
	}
	first := nonce(func(*tasks.Message) {})
	again := nonce(func(m *tasks.Message) { m.Attempt, m.CorrelationID = 2, "c" })
	if first != again || len(first) != 22 {
		t.Errorf("two attempts have the nonces %q and %q", first, again)
	}
	others := map[string]string{first: "the message itself"}
	for name, change := range map[string]func(*tasks.Message){
		"another piece":        func(m *tasks.Message) { m.Token += ".12" },
		"another bridge":       func(m *tasks.Message) { m.BridgeID = "other" },
		"another room":         func(m *tasks.Message) { m.ExternalRoomID = "43" },
		"a thread of the room": func(m *tasks.Message) { m.Opts.ThreadID = "43" },
		"a letter that moved":  func(m *tasks.Message) { m.Token += "b"; m.BridgeID = "ridge" },
	} {
		n := nonce(change)
		if other := others[n]; other != "" {
			t.Errorf("%s has the nonce of %s", name, other)
		}
		others[n] = name
	}
}

func TestMessageThatCannotBeSent(t *testing.T) {
	url, got := recorder(t, 200, golden(t, "message.json"))
	ch := channel(t, url)
	cases := map[string]struct {
		op     tasks.Operation
		change func(*tasks.Message)
	}{
		"a room that is a folder":   {tasks.Send, func(m *tasks.Message) { m.ExternalRoomID = ".." }},
		"a thread that is a folder": {tasks.Send, func(m *tasks.Message) { m.Opts.ThreadID = "." }},
		"an edit of no message":     {tasks.Edit, func(m *tasks.Message) { m.ExternalMessageID = "" }},
		"media without content":     {tasks.SendMedia, func(m *tasks.Message) { m.Content = nil }},
		"new media without content": {tasks.EditMedia, func(m *tasks.Message) { m.Content = nil }},
		"no media":                  {tasks.SendMedia, func(m *tasks.Message) { m.Media = nil }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := message(c.op)
			c.change(&m)
			_, err := method(ch, c.op)(t.Context(), m)
			e, ok := errors.AsType[*classify.Error](err)
			if !ok || e.Reason != classify.ReasonInvalidRequest || e.Sent != classify.SentNo || e.Channel != "discord" {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := ch.Delete(t.Context(), message(tasks.Send)); classify.Classify(err).Reason != classify.ReasonInvalidRequest {
		t.Errorf("a deletion of no message: got %v", err)
	}
	if len(got) != 0 {
		t.Error("the provider was asked")
	}
}

func TestConfigErrorNamesTheFieldAndNotItsContent(t *testing.T) {
	cases := map[string]struct {
		cfg   discord.Config
		field string
		why   string
	}{
		"no token":                    {discord.Config{}, "token", "required"},
		"a token with its kind":       {discord.Config{Token: "Bot s3cret"}, "token", "without Bot"},
		"a token of two words":        {discord.Config{Token: "s3cret s3cret"}, "token", "characters"},
		"a token with a line end":     {discord.Config{Token: "s3cret\n"}, "token", "characters"},
		"a base URL that is none":     {discord.Config{Token: "t", BaseURL: "http://s3cret:port/"}, "base_url", "not a URL"},
		"a base URL without scheme":   {discord.Config{Token: "t", BaseURL: "s3cret.example.com"}, "base_url", "http"},
		"a base URL without host":     {discord.Config{Token: "t", BaseURL: "https:///s3cret"}, "base_url", "host"},
		"a base URL with a query":     {discord.Config{Token: "t", BaseURL: "https://h/?s3cret"}, "base_url", "alone"},
		"a base URL with a user":      {discord.Config{Token: "t", BaseURL: "https://s3cret@h/"}, "base_url", "alone"},
		"a base URL with a fragment":  {discord.Config{Token: "t", BaseURL: "https://h/#s3cret"}, "base_url", "alone"},
		"a base URL of another world": {discord.Config{Token: "t", BaseURL: "ftp://s3cret"}, "base_url", "http"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := discord.New(c.cfg)
			e, ok := errors.AsType[*tasks.ConfigError](err)
			if !ok {
				t.Fatalf("got %T %v", err, err)
			}
			if e.Channel != "discord" || e.Field != c.field || !strings.Contains(e.Why, c.why) {
				t.Errorf("got %v, want field %s, %s", err, c.field, c.why)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error tells what is in the field: %v", err)
			}
		})
	}
}

func TestPrivateAddressIsOnlyForABaseURL(t *testing.T) {
	ch, err := discord.New(discord.Config{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	discord.SetBase(ch, "http://127.0.0.1:1")
	_, err = ch.Send(t.Context(), message(tasks.Send))
	if v := classify.Classify(err); v.Reason != classify.ReasonAddressForbidden {
		t.Errorf("got %v", err)
	}
}
