package discordfake_test

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/disgoorg/disgo/discord"
	"github.com/disgoorg/disgo/rest"
	"github.com/disgoorg/snowflake/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/discord/discordfake"
)

const token = "MTQwMDAwMDAwMDAwMDAwMDAwMA.GaBcDe.token"

// start starts a fake and disgo as its client, which neither waits nor tries again.
func start(t testing.TB, cfg discordfake.Config) (*discordfake.Fake, rest.Channels, string) {
	t.Helper()
	f := discordfake.New(cfg)
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, disgo(srv.URL, token), srv.URL
}

func disgo(url, token string) rest.Channels {
	return rest.NewChannels(rest.NewClient(token,
		rest.WithURL(url+"/api/v10"),
		rest.WithUserAgent("DiscordBot (https://github.com/disgoorg/disgo, v0)"),
		rest.WithRateLimiter(rest.NewNoopRateLimiter()),
		rest.WithLogger(slog.New(slog.DiscardHandler)),
	))
}

// refused checks that an error is Discord's answer with a status and a code, and
// returns it.
func refused(t testing.TB, err error, status int, code rest.JSONErrorCode) rest.Error {
	t.Helper()
	e, ok := errors.AsType[rest.Error](err)
	if !ok {
		t.Fatalf("got %T %v, want a refusal", err, err)
	}
	if e.Response.StatusCode != status || e.Code != code {
		t.Errorf("got %s, code %d, want %d, %d", e.Response.Status, e.Code, status, code)
	}
	return e
}

func TestDisgoSendsEditsAndDeletes(t *testing.T) {
	f, c, _ := start(t, discordfake.Config{Token: token})
	begin := time.Now().Add(-time.Second)
	sent, err := c.CreateMessage(42, discord.MessageCreate{Content: "hello", Nonce: "n-1", Flags: discord.MessageFlagSuppressNotifications})
	if err != nil {
		t.Fatal(err)
	}
	if sent.Content != "hello" || sent.ChannelID != 42 || sent.Nonce != "n-1" || !sent.Author.Bot || sent.Flags != discord.MessageFlagSuppressNotifications || sent.EditedTimestamp != nil {
		t.Errorf("got %+v", sent)
	}
	for name, at := range map[string]time.Time{"id": sent.ID.Time(), "timestamp": sent.CreatedAt} {
		if at.Before(begin) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("the %s is of %s", name, at)
		}
	}
	edited, err := c.UpdateMessage(42, sent.ID, discord.MessageUpdate{Content: new("changed")})
	if err != nil || edited.ID != sent.ID || edited.Content != "changed" || edited.EditedTimestamp == nil {
		t.Errorf("got %+v, %v", edited, err)
	}
	got, err := c.GetMessage(42, sent.ID)
	if err != nil || got.Content != "changed" {
		t.Errorf("got %+v, %v", got, err)
	}
	if m := f.Messages("42"); len(m) != 1 || m[0].Text != "changed" || m[0].Edits != 1 || m[0].Token != "n-1" {
		t.Errorf("got %+v", m)
	}
	if err := c.DeleteMessage(42, sent.ID); err != nil {
		t.Error(err)
	}
	refused(t, c.DeleteMessage(42, sent.ID), 404, 10008)
	_, err = c.UpdateMessage(42, sent.ID, discord.MessageUpdate{Content: new("again")})
	refused(t, err, 404, 10008)
	_, err = c.GetMessage(42, sent.ID)
	refused(t, err, 404, 10008)
	if n := f.Counts(); n.Requests != 7 || n.Refused != 3 || n.Throttled != 0 {
		t.Errorf("the counts are %+v", n)
	}
}

func TestDisgoRepliesAndUploads(t *testing.T) {
	f, c, _ := start(t, discordfake.Config{Token: token, MaxFile: 10, Limits: discordfake.Unlimited})
	sent, err := c.CreateMessage(42, discord.MessageCreate{
		Content: "look", Files: []*discord.File{discord.NewFile("a.txt", "", strings.NewReader("12345")), discord.NewFile("b.txt", "", strings.NewReader("1234567890"))},
	})
	if err != nil || len(sent.Attachments) != 2 {
		t.Fatalf("got %+v, %v", sent, err)
	}
	if a := sent.Attachments[1]; a.Filename != "b.txt" || a.Size != 10 || !strings.HasSuffix(a.URL, "/b.txt") {
		t.Errorf("got %+v", a)
	}
	update := func(u discord.MessageUpdate, want string) {
		t.Helper()
		if _, err := c.UpdateMessage(42, sent.ID, u); err != nil {
			t.Error(err)
		}
		if got := f.Messages("42")[0].Media; got != want {
			t.Errorf("the attachments are %q, want %q", got, want)
		}
	}
	file := func() []*discord.File {
		return []*discord.File{discord.NewFile("c.txt", "listed", strings.NewReader("1"))}
	}
	update(discord.MessageUpdate{Content: new("still")}, "a.txt, b.txt")
	update(discord.MessageUpdate{Attachments: &[]discord.AttachmentUpdate{discord.AttachmentKeep{ID: sent.Attachments[1].ID}}}, "b.txt")
	update(discord.MessageUpdate{Attachments: &[]discord.AttachmentUpdate{discord.AttachmentKeep{ID: sent.Attachments[1].ID}}, Files: file()}, "b.txt, c.txt")
	update(discord.MessageUpdate{Files: file()}, "c.txt")
	// disgo lists a file only where it has a description.
	unlisted := []*discord.File{discord.NewFile("d.txt", "", strings.NewReader("1"))}
	update(discord.MessageUpdate{Files: unlisted}, "c.txt, d.txt")
	update(discord.MessageUpdate{Attachments: &[]discord.AttachmentUpdate{}, Files: unlisted}, "")

	_, err = c.UpdateMessage(42, sent.ID, discord.MessageUpdate{Attachments: &[]discord.AttachmentUpdate{discord.AttachmentKeep{ID: 7}}})
	refused(t, err, 400, 50035)
	_, err = c.UpdateMessage(42, sent.ID, discord.MessageUpdate{Content: new(" ")})
	refused(t, err, 400, 50006)
	_, err = c.CreateMessage(42, discord.MessageCreate{Files: []*discord.File{discord.NewFile("d", "", strings.NewReader("12345678901"))}})
	refused(t, err, 413, 40005)

	_, err = c.CreateMessage(43, discord.MessageCreate{Files: []*discord.File{
		discord.NewFile("1", "", strings.NewReader("")), discord.NewFile("2", "", strings.NewReader("")),
		discord.NewFile("3", "", strings.NewReader("")), discord.NewFile("4", "", strings.NewReader("")),
		discord.NewFile("5", "", strings.NewReader("")), discord.NewFile("6", "", strings.NewReader("")),
		discord.NewFile("7", "", strings.NewReader("")), discord.NewFile("8", "", strings.NewReader("")),
		discord.NewFile("9", "", strings.NewReader("")), discord.NewFile("10", "", strings.NewReader("")),
		discord.NewFile("11", "", strings.NewReader("")),
	}})
	refused(t, err, 400, 30015)
}

func TestDisgoReplies(t *testing.T) {
	_, c, _ := start(t, discordfake.Config{Limits: discordfake.Unlimited})
	first, err := c.CreateMessage(42, discord.MessageCreate{Content: "first"})
	if err != nil {
		t.Fatal(err)
	}
	reply := func(room snowflake.ID, fail bool) (*discord.Message, error) {
		return c.CreateMessage(room, discord.MessageCreate{
			Content: "reply", MessageReference: &discord.MessageReference{MessageID: &first.ID, FailIfNotExists: fail},
		})
	}
	got, err := reply(42, true)
	if err != nil || got.Type != discord.MessageTypeReply || got.MessageReference == nil || *got.MessageReference.MessageID != first.ID {
		t.Errorf("got %+v, %v", got, err)
	}
	// Elsewhere there is no such message.
	_, err = reply(43, true)
	if e := refused(t, err, 400, 50035); !strings.Contains(string(e.Errors), "REPLIES_UNKNOWN_MESSAGE") {
		t.Errorf("got %s", e.Errors)
	}
}

func TestDisgoReadsTheRoom(t *testing.T) {
	_, c, _ := start(t, discordfake.Config{Limits: discordfake.Unlimited})
	var ids []snowflake.ID
	for range 5 {
		m, err := c.CreateMessage(42, discord.MessageCreate{Content: "x"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.ID)
	}
	for name, tc := range map[string]struct {
		before, after snowflake.ID
		limit         int
		want          []snowflake.ID
	}{
		"the newest come first":            {0, 0, 2, []snowflake.ID{ids[4], ids[3]}},
		"those after are the next":         {0, ids[0], 2, []snowflake.ID{ids[2], ids[1]}},
		"those before are the ones before": {ids[3], 0, 2, []snowflake.ID{ids[2], ids[1]}},
		"all are fewer than there may be":  {0, 0, 100, []snowflake.ID{ids[4], ids[3], ids[2], ids[1], ids[0]}},
		"no limit is fifty":                {0, 0, 0, []snowflake.ID{ids[4], ids[3], ids[2], ids[1], ids[0]}},
	} {
		page, err := c.GetMessages(42, 0, tc.before, tc.after, tc.limit)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []snowflake.ID
		for _, m := range page {
			got = append(got, m.ID)
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	_, err := c.GetMessages(42, 0, 0, 0, 101)
	refused(t, err, 400, 50035)
	if page, err := c.GetMessages(43, 0, 0, 0, 1); err != nil || len(page) != 0 {
		t.Errorf("an empty room: %v, %v", page, err)
	}
}

func TestDisgoIsDeduplicatedByItsNonce(t *testing.T) {
	f, c, _ := start(t, discordfake.Config{Limits: discordfake.Unlimited})
	send := func(room snowflake.ID, nonce string, enforce bool) (*discord.Message, error) {
		return c.CreateMessage(room, discord.MessageCreate{Content: "x", Nonce: nonce, EnforceNonce: enforce})
	}
	first, err := send(42, "n", true)
	if err != nil {
		t.Fatal(err)
	}
	again, err := send(42, "n", true)
	if err != nil || again.ID != first.ID {
		t.Errorf("again: got %+v, %v", again, err)
	}
	// The bot has one memory, for all its channels.
	if other, err := send(43, "n", true); err != nil || other.ID != first.ID || other.ChannelID != 42 {
		t.Errorf("elsewhere: got %+v, %v", other, err)
	}
	if other, err := send(42, "n", false); err != nil || other.ID == first.ID {
		t.Errorf("without enforcement: got %+v, %v", other, err)
	}
	if other, err := send(42, "", true); err != nil || other.ID == first.ID {
		t.Errorf("without a nonce: got %+v, %v", other, err)
	}
	if n := len(f.Messages("42")); n != 3 {
		t.Errorf("there are %d messages", n)
	}
	last, err := send(42, "m", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteMessage(42, last.ID); err != nil {
		t.Fatal(err)
	}
	_, err = send(42, "m", true)
	refused(t, err, 404, 10008)
}

func TestDisgoIsLimited(t *testing.T) {
	f, c, url := start(t, discordfake.Config{Token: token})
	for range 5 {
		if _, err := c.CreateMessage(42, discord.MessageCreate{Content: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.CreateMessage(42, discord.MessageCreate{Content: "x"})
	e := refused(t, err, 429, 0)
	h := e.Response.Header
	if h.Get("X-RateLimit-Scope") != "user" || h.Get("X-RateLimit-Remaining") != "0" || h.Get("Retry-After") != "5" || h.Get("X-RateLimit-Global") != "" {
		t.Errorf("the header is %v", h)
	}
	if _, err := c.CreateMessage(43, discord.MessageCreate{Content: "x"}); err != nil {
		t.Errorf("another channel: %v", err)
	}
	if n := f.Counts(); n.Throttled != 1 {
		t.Errorf("the counts are %+v", n)
	}
	_, err = disgo(url, "other").CreateMessage(43, discord.MessageCreate{Content: "x"})
	refused(t, err, 401, 0)
}
