package xmpp_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/xmpp/prosodytest"
	"github.com/outgate/outgate/tasks"
)

// picture is a message with a picture of some bytes.
func picture(room, token, bytes, caption string) tasks.Message {
	m := text(room, token, "")
	m.Operation = tasks.SendMedia
	m.Media = &tasks.Media{Kind: tasks.Image, URL: "https://example.com/cat.png", Caption: caption}
	m.Content = &tasks.Content{
		Size: int64(len(bytes)), MediaType: "image/png", Filename: "a cat.png",
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(bytes)), nil },
	}
	return m
}

func fetch(t testing.TB, url string) (string, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body), resp.Header.Get("Content-Type")
}

func TestMediaIsUploadedAndItsAddressSent(t *testing.T) {
	srv := prosody(t)
	peer := srv.Login(t, "alice")
	peer.Join(t, hall)
	ch := channel(t, srv.Addr)
	for _, room := range []string{alice, hall} {
		d, err := ch.SendMedia(t.Context(), picture(room, "007-1f", "\x89PNG", "a cat & a dog"))
		if err != nil {
			t.Fatal(err)
		}
		got, caption := peer.Next(t), peer.Next(t)
		if got.OOB.URL == "" || got.OOB.URL != got.Body || got.ID != "007-1f" || d.Result["url"] != got.Body || d.MessageID != "007-1f" {
			t.Errorf("got %+v for %+v", got, d)
		}
		if body, kind := fetch(t, got.OOB.URL); body != "\x89PNG" || kind != "image/png" {
			t.Errorf("at the address is %q, %s", body, kind)
		}
		if caption.Body != "a cat & a dog" || caption.OOB.URL != "" || caption.ID != "007-1f-caption" {
			t.Errorf("the caption is %+v", caption)
		}

		m := picture(room, "007-20", "\x89PNG2", "a dog")
		m.Operation, m.ExternalMessageID = tasks.EditMedia, d.MessageID
		if d, err = ch.EditMedia(t.Context(), m); err != nil || d.MessageID != "007-1f" {
			t.Fatalf("got %+v, %v", d, err)
		}
		edited, captioned := peer.Next(t), peer.Next(t)
		if edited.Replace.ID != "007-1f" || captioned.Replace.ID != "007-1f-caption" || edited.Body == got.Body || captioned.Body != "a dog" {
			t.Errorf("got %+v, %+v", edited, captioned)
		}
		if body, _ := fetch(t, edited.OOB.URL); body != "\x89PNG2" {
			t.Errorf("at the new address is %q", body)
		}
	}
}

func TestMediaThatIsTooLargeIsNotAskedFor(t *testing.T) {
	srv := prosody(t)
	ch := channel(t, srv.Addr)
	_, err := ch.SendMedia(t.Context(), picture(alice, "007-1f", strings.Repeat("x", prosodytest.MaxUpload+1), ""))
	wantVerdict(t, err, classify.Terminal, classify.ReasonMediaRejected, classify.SentNo)
	if _, err := ch.SendMedia(t.Context(), picture(alice, "007-1f", strings.Repeat("x", prosodytest.MaxUpload), "")); err != nil {
		t.Error(err)
	}
}

// uploads makes a scripted server take uploads at an address; slot is what it
// answers, if not that.
func uploads(put, limit, slot string) func(*client, element) bool {
	return func(c *client, e element) bool {
		switch {
		case e.is("iq", "disco#items"):
			c.say(`<iq type="result" id="%s"><query xmlns="http://jabber.org/protocol/disco#items"><item jid="mute.localhost"/><item jid="up.localhost"/></query></iq>`, e.ID)
		case e.is("iq", "disco#info") && e.To == "mute.localhost":
			c.refuse(e, `<error type="cancel"><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`)
		case e.is("iq", "disco#info") && e.To == "up.localhost":
			c.say(`<iq type="result" id="%s"><query xmlns="http://jabber.org/protocol/disco#info"><feature var="urn:xmpp:http:upload:0"/><x xmlns="jabber:x:data"><field var="max-file-size"><value>%s</value></field></x></query></iq>`, e.ID, limit)
		case e.is("iq", "http:upload") && strings.HasPrefix(slot, "<error"):
			c.refuse(e, slot)
		case e.is("iq", "http:upload") && slot != "":
			c.say(`<iq type="result" id="%s">%s</iq>`, e.ID, slot)
		case e.is("iq", "http:upload"):
			c.say(`<iq type="result" id="%s"><slot xmlns="urn:xmpp:http:upload:0"><put url="%s/put"><header name="authorization">Bearer`+"\n"+` t0ken</header><header name="Cookie">c=1</header><header name="Host">evil</header></put><get url="https://files.example/1"/></slot></iq>`, e.ID, put)
		default:
			return false
		}
		return true
	}
}

func TestTheUploadIsAsTheServerAsksFor(t *testing.T) {
	var got http.Header
	var body, path string
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body, path = r.Header, string(b), r.Method+" "+r.Host+r.URL.Path
		w.WriteHeader(http.StatusCreated)
	}))
	defer files.Close()
	s := serve(t, &script{on: uploads(files.URL, "100", "")})
	ch := channel(t, s.addr)
	for _, token := range []string{"007-1f", "007-20"} {
		if _, err := ch.SendMedia(t.Context(), picture(alice, token, "\x89PNG", "")); err != nil {
			t.Fatal(err)
		}
	}
	want := http.Header{
		"Authorization": {"Bearer t0ken"}, "Cookie": {"c=1"}, "Content-Type": {"image/png"},
		"Content-Length": {"4"}, "User-Agent": {"outgate"},
	}
	if diff := cmp.Diff(want, got); diff != "" || body != "\x89PNG" || path != "PUT "+files.Listener.Addr().String()+"/put" {
		t.Errorf("got %q, %s: %s", body, path, diff)
	}
	if n := len(s.all("iq", "disco#items")); n != 1 {
		t.Errorf("the services were asked for %d times", n)
	}
	slots := s.all("iq", "http:upload")
	if want := `<request xmlns="urn:xmpp:http:upload:0" filename="a cat.png" size="4" content-type="image/png"></request>`; len(slots) != 2 || slots[0].Inner != want {
		t.Errorf("got %+v", slots)
	}
	if sent := s.all("message", "https://files.example/1"); len(sent) != 2 {
		t.Errorf("sent %+v", sent)
	}
}

func TestAnUploadThatFailsIsNotSent(t *testing.T) {
	says := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	answer := func(status int) http.HandlerFunc { return says(status, "") }
	refusal := func(kind, condition, own string) string {
		return fmt.Sprintf(`<error type="%s"><%s xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>%s</error>`, kind, condition, own)
	}
	const big = `<file-too-large xmlns="urn:xmpp:http:upload:0"><max-file-size>1</max-file-size></file-too-large>`
	cases := map[string]struct {
		files       http.HandlerFunc
		limit, slot string
		category    classify.Category
		reason      classify.Reason
	}{
		"a file larger than announced": {nil, "3", "", classify.Terminal, classify.ReasonMediaRejected},
		"a file larger than said":      {nil, "", refusal("modify", "not-acceptable", big), classify.Terminal, classify.ReasonMediaRejected},
		"a file of a kind":             {nil, "", refusal("modify", "bad-request", ""), classify.Terminal, classify.ReasonMediaRejected},
		"a quota that passes":          {nil, "", refusal("wait", "resource-constraint", `<retry xmlns="urn:xmpp:http:upload:0" stamp="2030-01-01T00:00:00Z"/>`), classify.Retryable, classify.ReasonUnavailable},
		"a user who may not":           {nil, "", refusal("auth", "forbidden", ""), classify.Terminal, classify.ReasonRoomUnavailable},
		"an answer without a slot":     {nil, "", `<x xmlns="y"/>`, classify.Terminal, classify.ReasonMediaRejected},
		"a slot that is not HTTP":      {nil, "", `<slot xmlns="urn:xmpp:http:upload:0"><put url="file:///etc/passwd"/><get url="https://x/"/></slot>`, classify.Terminal, classify.ReasonMediaRejected},
		"a slot without an address":    {nil, "", `<slot xmlns="urn:xmpp:http:upload:0"><put url="http://x/"/></slot>`, classify.Terminal, classify.ReasonMediaRejected},
		"413":                          {answer(413), "", "", classify.Terminal, classify.ReasonMediaRejected},
		"a slot that has expired":      {answer(410), "", "", classify.Terminal, classify.ReasonMediaRejected},
		"a slot that is not let in":    {answer(401), "", "", classify.Terminal, classify.ReasonMediaRejected},
		"503":                          {answer(503), "", "", classify.Retryable, classify.ReasonUnavailable},
		"500":                          {answer(500), "", "", classify.Retryable, classify.ReasonProviderError},
		"503 that looks like a stanza": {says(503, "[modify file-too-large]"), "", "", classify.Retryable, classify.ReasonUnavailable},
		"500 with an empty list":       {says(500, `{"errors":[]}`), "", "", classify.Retryable, classify.ReasonProviderError},
		"a redirect":                   {answer(302), "", "", classify.Terminal, classify.ReasonRedirected},
		"a connection that breaks":     {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "", "", classify.Retryable, classify.ReasonConnectionLost},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := httptest.NewServer(c.files)
			defer files.Close()
			s := serve(t, &script{on: uploads(files.URL, c.limit, c.slot)})
			_, err := channel(t, s.addr).SendMedia(t.Context(), picture(alice, "007-1f", "\x89PNG", "a cat"))
			wantVerdict(t, err, c.category, c.reason, classify.SentNo)
			if n := len(s.all("message", "")); n != 0 {
				t.Errorf("%d messages", n)
			}
		})
	}
}

// The address of a slot, and the header that goes with it, are a permission to write.
func TestErrorHoldsNoPermissionOfASlot(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dump, _ := httputil.DumpRequest(r, false)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(dump)
	}))
	defer files.Close()
	s := serve(t, &script{on: uploads(files.URL+"/s3cret", "", "")})
	_, err := channel(t, s.addr).SendMedia(t.Context(), picture(alice, "007-1f", "\x89PNG", ""))
	said := classify.Classify(err).Provider.Message
	if said == "" || strings.Contains(said+err.Error(), "s3cret") || strings.Contains(said+err.Error(), "t0ken") || strings.Contains(said+err.Error(), "c=1") {
		t.Errorf("got %v: %s", err, said)
	}
}

func TestMediaWithoutAPlaceToGo(t *testing.T) {
	s := serve(t, &script{})
	ch := channel(t, s.addr)
	m := picture(alice, "007-1f", "\x89PNG", "")
	_, err := ch.SendMedia(t.Context(), m)
	wantVerdict(t, err, classify.Terminal, classify.ReasonMediaRejected, classify.SentNo)

	m.Content = nil
	if _, err := ch.SendMedia(t.Context(), m); err != nil {
		t.Error(err)
	}
	if n := len(s.all("message", "<url>https://example.com/cat.png</url>")); n != 1 {
		t.Errorf("%d messages with the address", n)
	}

	m.Token, m.Media.URL = "007-20", ""
	_, err = ch.SendMedia(t.Context(), m)
	wantVerdict(t, err, classify.Terminal, classify.ReasonMediaRejected, classify.SentNo)
}

func TestMediaThatCannotBeReadIsNotSent(t *testing.T) {
	s := serve(t, &script{on: uploads("http://127.0.0.1:1", "", "")})
	m := picture(alice, "007-1f", "\x89PNG", "")
	gone := errors.New("the spool is gone")
	m.Content.Open = func() (io.ReadCloser, error) { return nil, gone }
	_, err := channel(t, s.addr).SendMedia(t.Context(), m)
	if _, e := verdict(t, err); !errors.Is(err, gone) || e.Sent != classify.SentNo {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatHangsUpDuringTheSearchHasNotGotIt(t *testing.T) {
	for _, part := range []string{"disco#items", "disco#info", "http:upload"} {
		serving := uploads("http://127.0.0.1:1", "", "")
		s := serve(t, &script{on: func(c *client, e element) bool {
			if e.is("iq", part) {
				_ = c.Close()
				return true
			}
			return serving(c, e)
		}})
		_, err := channel(t, s.addr).SendMedia(t.Context(), picture(alice, "007-1f", "\x89PNG", ""))
		wantVerdict(t, err, classify.Retryable, classify.ReasonConnectionLost, classify.SentNo)
	}
}
