package matrixfake_test

import (
	"crypto/sha256"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/outgate/outgate/handlers/matrix/matrixfake"
)

const (
	roomID = "!room:fake.example"
	other  = "@other:fake.example"
)

// unlimited lets tests send as fast as they like.
var unlimited = matrixfake.Limits{Burst: -1}

// client starts a fake and an independent client of it.
func client(t testing.TB, cfg matrixfake.Config) (*matrixfake.Fake, *mautrix.Client) {
	t.Helper()
	fake := matrixfake.New(cfg)
	srv := httptest.NewServer(fake)
	t.Cleanup(srv.Close)
	cli, err := mautrix.NewClient(srv.URL, matrixfake.DefaultUser, matrixfake.DefaultToken)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cli.Client.CloseIdleConnections)
	return fake, cli
}

func send(t testing.TB, cli *mautrix.Client, content *event.MessageEventContent, txn string) id.EventID {
	t.Helper()
	resp, err := cli.SendMessageEvent(t.Context(), roomID, event.EventMessage, content, mautrix.ReqSendEvent{TransactionID: txn})
	if err != nil {
		t.Fatal(err)
	}
	return resp.EventID
}

func text(s string) *event.MessageEventContent {
	return &event.MessageEventContent{MsgType: event.MsgText, Body: s}
}

func TestClientSendsEditsAndRedacts(t *testing.T) {
	fake, cli := client(t, matrixfake.Config{Limits: unlimited})
	reply := text("hello")
	reply.RelatesTo = (&event.RelatesTo{}).SetThread("$root", "$last")
	first := send(t, cli, reply, "a")
	edit := text("goodbye")
	edit.SetEdit(first)
	second := send(t, cli, edit, "b")
	if first == second {
		t.Fatal("two events with one id")
	}
	got := fake.Messages(roomID)
	if len(got) != 1 || got[0].Text != "goodbye" || got[0].Edits != 1 || got[0].ID != string(first) ||
		got[0].Token != "a" || got[0].Thread != "$root" || got[0].ReplyTo != "$last" {
		t.Errorf("got %+v", got)
	}
	if _, err := cli.RedactEvent(t.Context(), roomID, first); err != nil {
		t.Fatal(err)
	}
	if got := fake.Messages(roomID); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	_, err := cli.RedactEvent(t.Context(), roomID, "$unknown")
	if !errors.Is(err, mautrix.MNotFound) {
		t.Errorf("got %v", err)
	}
	_, err = cli.RedactEvent(t.Context(), roomID, id.EventID(fake.Say(roomID, other, "mine")))
	if !errors.Is(err, mautrix.MForbidden) {
		t.Errorf("got %v", err)
	}
}

func TestClientEditsWhatItMayNotAndNobodySees(t *testing.T) {
	fake, cli := client(t, matrixfake.Config{Limits: unlimited})
	mine := send(t, cli, text("mine"), "a")
	edit := text("mine, edited")
	edit.SetEdit(mine)
	edited := send(t, cli, edit, "b")
	theirs := id.EventID(fake.Say(roomID, other, "theirs"))
	for txn, target := range map[string]id.EventID{"unknown": "$unknown", "somebody else's": theirs, "an edit": edited} {
		edit := text("overwritten")
		edit.SetEdit(target)
		send(t, cli, edit, txn)
	}
	bare := text("no new content")
	bare.RelatesTo = (&event.RelatesTo{}).SetReplace(mine)
	send(t, cli, bare, "bare")
	var texts []string
	for _, m := range fake.Messages(roomID) {
		texts = append(texts, m.Text)
	}
	if got := strings.Join(texts, "; "); got != "mine, edited; theirs" {
		t.Errorf("the room has %s", got)
	}
}

func TestClientRepeatsATransaction(t *testing.T) {
	fake, cli := client(t, matrixfake.Config{Limits: matrixfake.Limits{Burst: 2}})
	first := send(t, cli, text("one"), "a")
	if again := send(t, cli, text("another text"), "a"); again != first {
		t.Errorf("the same transaction made %s and %s", first, again)
	}
	if second := send(t, cli, text("two"), "b"); second == first {
		t.Error("another transaction made the same event")
	}
	send(t, cli, text("two"), "b") // a repetition is not limited
	if n := len(fake.Messages(roomID)); n != 2 {
		t.Errorf("the room has %d messages, want 2", n)
	}
	// Transactions are those of an access token.
	fake.SetToken("new")
	cli.AccessToken = "new"
	if third := send(t, cli, text("one"), "a"); third == first {
		t.Error("the transaction of another token made the same event")
	}
}

func TestClientUploads(t *testing.T) {
	fake, cli := client(t, matrixfake.Config{Limits: matrixfake.Limits{UploadBytes: 10, Burst: -1}})
	config, err := cli.GetMediaConfig(t.Context())
	if err != nil || config.UploadSize != 10 {
		t.Errorf("got %+v, %v", config, err)
	}
	resp, err := cli.UploadBytesWithName(t.Context(), []byte("PNG"), "image/png", "a cat.png")
	if err != nil {
		t.Fatal(err)
	}
	got, ok := fake.Upload(resp.ContentURI.String())
	want := matrixfake.Upload{Filename: "a cat.png", MediaType: "image/png", Size: 3, SHA256: sha256.Sum256([]byte("PNG"))}
	if !ok || got != want || fake.Uploads() != 1 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	image := &event.MessageEventContent{
		MsgType: event.MsgImage, Body: "a caption", FileName: "a cat.png", URL: resp.ContentURI.CUString(),
	}
	send(t, cli, image, "a")
	image.Body, image.FileName = "only a name", ""
	send(t, cli, image, "b")
	messages := fake.Messages(roomID)
	if m := messages[0]; m.Text != "a caption" || m.Media != "a cat.png" || m.Bytes != 3 {
		t.Errorf("got %+v", m)
	}
	if m := messages[1]; m.Text != "" || m.Media != "only a name" {
		t.Errorf("got %+v", m)
	}
	_, err = cli.UploadBytes(t.Context(), []byte("12345678901"), "image/png")
	if !errors.Is(err, mautrix.MTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestClientReadsTheRoom(t *testing.T) {
	fake, cli := client(t, matrixfake.Config{Limits: unlimited})
	var ids []id.EventID
	for _, s := range []string{"one", "two", "three"} {
		ids = append(ids, send(t, cli, text(s), s))
		fake.Say(roomID, other, "noise")
	}
	if _, err := cli.RedactEvent(t.Context(), roomID, ids[1]); err != nil {
		t.Fatal(err)
	}
	filter := &mautrix.FilterPart{Types: []event.Type{event.EventMessage}, Senders: []id.UserID{matrixfake.DefaultUser}}
	for dir, want := range map[mautrix.Direction][]id.EventID{
		mautrix.DirectionBackward: {ids[2], ids[1], ids[0]},
		mautrix.DirectionForward:  {ids[0], ids[1], ids[2]},
	} {
		var got []id.EventID
		from := ""
		for {
			page, err := cli.Messages(t.Context(), roomID, from, "", dir, filter, 2)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Chunk {
				if err := e.Content.ParseRaw(e.Type); err != nil {
					t.Fatal(err)
				}
				if body := e.Content.AsMessage().Body; (body == "") != (e.ID == ids[1]) || e.Sender != matrixfake.DefaultUser {
					t.Errorf("%s of %s is %q", e.ID, e.Sender, body)
				}
				got = append(got, e.ID)
			}
			if from = page.End; from == "" {
				break
			}
		}
		if strings.Join(strs(got), " ") != strings.Join(strs(want), " ") {
			t.Errorf("%c: got %s, want %s", dir, got, want)
		}
	}
	page, err := cli.Messages(t.Context(), "!empty:fake.example", "", "", mautrix.DirectionBackward, nil, 0)
	if err != nil || len(page.Chunk) != 0 || page.End != "" {
		t.Errorf("an empty room: got %+v, %v", page, err)
	}
}

func strs(ids []id.EventID) (s []string) {
	for _, id := range ids {
		s = append(s, id.String())
	}
	return s
}

func TestClientIsLetIn(t *testing.T) {
	fake, cli := client(t, matrixfake.Config{User: "@bot:fake.example", Rooms: []string{roomID}, Limits: unlimited})
	me, err := cli.Whoami(t.Context())
	if err != nil || me.UserID != "@bot:fake.example" {
		t.Errorf("got %+v, %v", me, err)
	}
	if v, err := cli.Versions(t.Context()); err != nil || !v.ContainsGreaterOrEqual(mautrix.SpecV110) {
		t.Errorf("got %+v, %v", v, err)
	}
	fake.Alias("#name:fake.example", roomID)
	if room, err := cli.ResolveAlias(t.Context(), "#name:fake.example"); err != nil || room.RoomID != roomID {
		t.Errorf("got %+v, %v", room, err)
	}
	if _, err := cli.ResolveAlias(t.Context(), "#none:fake.example"); !errors.Is(err, mautrix.MNotFound) {
		t.Errorf("got %v", err)
	}
	wantForbidden := func(room id.RoomID, want bool) {
		t.Helper()
		_, err := cli.SendText(t.Context(), room, "hello")
		if errors.Is(err, mautrix.MForbidden) != want || !want && err != nil {
			t.Errorf("%s: got %v", room, err)
		}
		_, err = cli.Messages(t.Context(), room, "", "", mautrix.DirectionBackward, nil, 1)
		if errors.Is(err, mautrix.MForbidden) != want {
			t.Errorf("%s: got %v", room, err)
		}
	}
	wantForbidden(roomID, false)
	wantForbidden("!else:fake.example", true)
	fake.Join("!else:fake.example")
	wantForbidden("!else:fake.example", false)
	fake.Kick(roomID)
	wantForbidden(roomID, true)

	fake.SetToken("")
	if _, err := cli.Whoami(t.Context()); !errors.Is(err, mautrix.MUnknownToken) {
		t.Errorf("got %v", err)
	}
	cli.AccessToken = ""
	if _, err := cli.Whoami(t.Context()); !errors.Is(err, mautrix.MMissingToken) {
		t.Errorf("got %v", err)
	}
}
