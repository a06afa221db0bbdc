package matrix_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/markup"
	"github.com/outgate/outgate/handlers/matrix"
	"github.com/outgate/outgate/tasks"
)

// seen is the request that carries a message.
type seen struct{ method, path, auth, kind, body string }

// sentContent delivers a message to a homeserver that takes everything, and gives
// the request that reached the room.
func sentContent(t *testing.T, m tasks.Message) seen {
	t.Helper()
	got := make(chan seen, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodPut {
			got <- seen{r.Method, r.URL.EscapedPath(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)}
		}
		accept(w, r)
	}))
	defer srv.Close()
	ch := channel(t, matrix.Config{Token: "t0ken", BaseURL: srv.URL + "/a%2Fb/"})
	if _, err := deliver(t.Context(), ch, m); err != nil {
		t.Fatal(err)
	}
	return <-got
}

func TestContent(t *testing.T) {
	const (
		token = `"com.github.outgate.token":"007-000000000000001f.1",`
		image = `"filename":"cat.png","info":{"h":3,"mimetype":"image/png","size":3,"w":4},"m.mentions":{},`
	)
	cases := map[string]struct {
		op     tasks.Operation
		change func(*tasks.Message)
		want   string
	}{
		"a plain text": {
			tasks.Send, func(m *tasks.Message) { m.Text = "a < b & \"c\"\n\u00e9 @room" },
			`{"body":"a < b & \"c\"\n\u00e9 @room",` + token + `"m.mentions":{},"msgtype":"m.text"}`,
		},
		"a silent text is a notice": {
			tasks.Send, func(m *tasks.Message) { m.Opts.Silent = true },
			`{"body":"hello",` + token + `"m.mentions":{},"msgtype":"m.notice"}`,
		},
		"HTML has its text beside it": {
			tasks.Send, func(m *tasks.Message) { m.Opts.Format, m.Text = tasks.HTML, "<b>bold</b>" },
			`{"body":"` + markup.Text("<b>bold</b>") + `",` + token +
				`"format":"org.matrix.custom.html","formatted_body":"<b>bold</b>","m.mentions":{},"msgtype":"m.text"}`,
		},
		"a reply": {
			tasks.Send, func(m *tasks.Message) { m.Opts.ReplyTo = "$r" },
			`{"body":"hello",` + token + `"m.mentions":{},"m.relates_to":{"m.in_reply_to":{"event_id":"$r"}},"msgtype":"m.text"}`,
		},
		"a thread falls back to a reply to its root": {
			tasks.Send, func(m *tasks.Message) { m.Opts.ThreadID = "$t" },
			`{"body":"hello",` + token + `"m.mentions":{},"m.relates_to":{"event_id":"$t","is_falling_back":true,` +
				`"m.in_reply_to":{"event_id":"$t"},"rel_type":"m.thread"},"msgtype":"m.text"}`,
		},
		"a reply within a thread": {
			tasks.Send, func(m *tasks.Message) { m.Opts.ThreadID, m.Opts.ReplyTo = "$t", "$r" },
			`{"body":"hello",` + token + `"m.mentions":{},"m.relates_to":{"event_id":"$t",` +
				`"m.in_reply_to":{"event_id":"$r"},"rel_type":"m.thread"},"msgtype":"m.text"}`,
		},
		"an edit, which stays where its message is": {
			tasks.Edit, func(m *tasks.Message) { m.Opts = tasks.Opts{ThreadID: "$t", ReplyTo: "$r", Silent: true} },
			`{"body":"* hello",` + token + `"m.mentions":{},"m.new_content":{"body":"hello","m.mentions":{},"msgtype":"m.notice"},` +
				`"m.relates_to":{"event_id":"$first","rel_type":"m.replace"},"msgtype":"m.notice"}`,
		},
		"an edit in HTML": {
			tasks.Edit, func(m *tasks.Message) { m.Opts.Format, m.Text = tasks.HTML, "<i>x</i>" },
			`{"body":"* ` + markup.Text("<i>x</i>") + `",` + token + `"format":"org.matrix.custom.html","formatted_body":"* <i>x</i>","m.mentions":{},` +
				`"m.new_content":{"body":"` + markup.Text("<i>x</i>") + `","format":"org.matrix.custom.html","formatted_body":"<i>x</i>",` +
				`"m.mentions":{},"msgtype":"m.text"},"m.relates_to":{"event_id":"$first","rel_type":"m.replace"},"msgtype":"m.text"}`,
		},
		"an image with a caption": {
			tasks.SendMedia, func(m *tasks.Message) { m.Opts.ReplyTo, m.Opts.Silent = "$r", true },
			`{"body":"a cat",` + token + image + `"m.relates_to":{"m.in_reply_to":{"event_id":"$r"}},"msgtype":"m.image","url":"mxc://fake.example/1"}`,
		},
		"an image whose caption is HTML": {
			tasks.SendMedia, func(m *tasks.Message) { m.Opts.Format, m.Media.Caption = tasks.HTML, "<b>cat</b>" },
			`{"body":"` + markup.Text("<b>cat</b>") + `",` + token + `"filename":"cat.png","format":"org.matrix.custom.html","formatted_body":"<b>cat</b>",` +
				`"info":{"h":3,"mimetype":"image/png","size":3,"w":4},"m.mentions":{},"msgtype":"m.image","url":"mxc://fake.example/1"}`,
		},
		"a video": {
			tasks.SendMedia, func(m *tasks.Message) {
				m.Media = &tasks.Media{Kind: tasks.Video, Duration: 7}
				m.Content.MediaType, m.Content.Filename = "video/mp4", "c.mp4"
			},
			`{"body":"c.mp4",` + token + `"filename":"c.mp4","info":{"duration":7000,"mimetype":"video/mp4","size":3},` +
				`"m.mentions":{},"msgtype":"m.video","url":"mxc://fake.example/1"}`,
		},
		"a sound": {
			tasks.SendMedia, func(m *tasks.Message) { m.Media = &tasks.Media{Kind: tasks.Audio} },
			`{"body":"cat.png",` + token + `"filename":"cat.png","info":{"mimetype":"image/png","size":3},"m.mentions":{},"msgtype":"m.audio","url":"mxc://fake.example/1"}`,
		},
		"any other kind is a file": {
			tasks.SendMedia, func(m *tasks.Message) { m.Media, m.Content.MediaType = &tasks.Media{Kind: "hologram"}, "" },
			`{"body":"cat.png",` + token + `"filename":"cat.png","info":{"size":3},"m.mentions":{},"msgtype":"m.file","url":"mxc://fake.example/1"}`,
		},
		"other media in the place of a message": {
			tasks.EditMedia, func(*tasks.Message) {},
			`{"body":"a cat",` + token + image + `"m.new_content":{"body":"a cat",` + image + `"msgtype":"m.image","url":"mxc://fake.example/1"},` +
				`"m.relates_to":{"event_id":"$first","rel_type":"m.replace"},"msgtype":"m.image","url":"mxc://fake.example/1"}`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := message(c.op)
			c.change(&m)
			got := sentContent(t, m)
			if d := cmp.Diff(compact(t, []byte(c.want)), compact(t, []byte(got.body))); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			got.body = ""
			want := seen{
				method: "PUT", auth: "Bearer t0ken", kind: "application/json",
				path: "/a%2Fb/_matrix/client/v3/rooms/%21room%2F1:fake.example/send/m.room.message/007-000000000000001f.1",
			}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestMarkdownGoesOutAsHTMLWithItsSource(t *testing.T) {
	const md = "**bold** and `code`"
	m := message(tasks.Send)
	m.Text, m.Opts.Format = md, tasks.Markdown
	var got struct {
		Body, Format string
		HTML         string `json:"formatted_body"`
	}
	unmarshal(t, sentContent(t, m).body, &got)
	if got.Body != md || got.HTML != markup.HTML(md) || got.Format != "org.matrix.custom.html" {
		t.Errorf("got %+v", got)
	}
}

// Of a long HTML text only what anybody can read is sent, where both are too long.
func TestFormattedBodyIsLeftOutWhereItIsTooLong(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"within the event":  {"<b>" + strings.Repeat("x", 15_000) + "</b>", true},
		"more than is left": {"<b>" + strings.Repeat("x", 16_000) + "</b>", false},
	} {
		m := message(tasks.Send)
		m.Text, m.Opts.Format = c.text, tasks.HTML
		body := sentContent(t, m).body
		if got := strings.Contains(body, `"formatted_body"`) && strings.Contains(body, `"format"`); got != c.want {
			t.Errorf("%s: formatted_body is there: %v, want %v", name, got, c.want)
		}
	}
}
