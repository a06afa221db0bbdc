package slackfake_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/outgate/outgate/handlers/internal/fakes"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/ratelimit"
)

const (
	token = "xoxb-17"
	room  = "C123ABC456"
)

// client is a program that others wrote for Slack, before a fake.
func client(t *testing.T, cfg slackfake.Config) (*slackfake.Fake, *slack.Client) {
	t.Helper()
	cfg.Token = token
	f := slackfake.New(cfg)
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, slack.New(token, slack.OptionAPIURL(srv.URL+"/api/"))
}

// stands is what a message looks like, all but its time.
type stands struct {
	ID, Thread, Text, Format, Token, Media string
	Bytes                                  int64
	Edits                                  int
}

func standing(f *slackfake.Fake) []stands {
	var got []stands
	for _, m := range f.Messages(room) {
		got = append(got, stands{m.ID, m.Thread, m.Text, m.Format, m.Token, m.Media, m.Bytes, m.Edits})
	}
	return got
}

// wantCode checks the code of an error that slack-go has.
func wantCode(t *testing.T, what string, err error, code string) {
	t.Helper()
	e, ok := errors.AsType[slack.SlackErrorResponse](err)
	if !ok || e.Err != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func TestClientPostsEditsAndDeletes(t *testing.T) {
	f, c := client(t, slackfake.Config{Limits: slackfake.Unlimited})
	ctx := t.Context()
	who, err := c.AuthTestContext(ctx)
	if err != nil || who.User != "outgate" {
		t.Fatalf("got %+v, %v", who, err)
	}
	in, ts, sent, err := c.PostMessageWithResponseContext(ctx, room, slack.MsgOptionText("one *two* & <3>", true), slack.MsgOptionMetadata(slack.SlackMetadata{
		EventType: "outgate", EventPayload: map[string]any{"id": "t-1"},
	}))
	if err != nil || in != room || sent.Text != "one *two* &amp; &lt;3&gt;" || sent.Timestamp != ts {
		t.Fatalf("got %s, %s, %+v, %v", in, ts, sent, err)
	}
	_, reply, err := c.PostMessageContext(ctx, room, slack.MsgOptionText("x", false), slack.MsgOptionTS(ts), slack.MsgOptionDisableMarkdown())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, shown, err := c.UpdateMessageContext(ctx, room, ts, slack.MsgOptionText("new", false)); err != nil || shown != "new" {
		t.Fatalf("got %q, %v", shown, err)
	}
	want := []stands{
		{ID: ts, Text: "new", Format: "mrkdwn", Token: "t-1", Edits: 1},
		{ID: reply, Thread: ts, Text: "x", Format: "plain"},
	}
	if d := cmp.Diff(want, standing(f)); d != "" {
		t.Error(d)
	}
	if _, _, err := c.DeleteMessageContext(ctx, room, reply); err != nil {
		t.Error(err)
	}
	_, _, err = c.DeleteMessageContext(ctx, room, reply)
	wantCode(t, "deleted again", err, "message_not_found")
	_, _, _, err = c.UpdateMessageContext(ctx, room, reply, slack.MsgOptionText("new", false))
	wantCode(t, "an edit of what was deleted", err, "message_not_found")
	if d := cmp.Diff(want[:1], standing(f)); d != "" {
		t.Error(d)
	}
	if got := f.Counts(); got != (fakes.Counts{Requests: 7, Refused: 2}) {
		t.Errorf("got %+v", got)
	}
}

func TestUpdateKeepsTheBlocksThatItLeavesOut(t *testing.T) {
	f, c := client(t, slackfake.Config{Limits: slackfake.Unlimited})
	ctx := t.Context()
	block := slack.NewSectionBlock(slack.NewTextBlockObject(slack.PlainTextType, "block", false, false), nil, nil)
	_, ts, err := c.PostMessageContext(ctx, room, slack.MsgOptionBlocks(block), slack.MsgOptionAttachments(slack.Attachment{Text: "attached"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		args                string
		blocks, attachments int
	}{
		{`"text":"new"`, 1, 1},
		{`"text":"new","attachments":[]`, 1, 0},
		{`"text":"new","blocks":[]`, 0, 0},
	} {
		if w := askJSON(f, "chat.update", fmt.Sprintf(`{"channel":%q,"ts":%q,%s}`, room, ts, step.args)); code(w) != "" {
			t.Fatalf("%s: got %s", step.args, w.Body)
		}
		h, err := c.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: room})
		if err != nil || len(h.Messages) != 1 {
			t.Fatalf("got %+v, %v", h, err)
		}
		if b, a := len(h.Messages[0].Blocks.BlockSet), len(h.Messages[0].Attachments); b != step.blocks || a != step.attachments {
			t.Errorf("%s: %d blocks and %d attachments, want %d and %d", step.args, b, a, step.blocks, step.attachments)
		}
	}
}

func TestClientUploads(t *testing.T) {
	for _, sharesAtOnce := range []bool{false, true} {
		f, c := client(t, slackfake.Config{Limits: slackfake.Unlimited, SharesAtOnce: sharesAtOnce})
		ctx := t.Context()
		_, parent, err := c.PostMessageContext(ctx, room, slack.MsgOptionText("parent", false))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.UploadFileContext(ctx, slack.UploadFileParameters{
			Reader: strings.NewReader("PNG"), FileSize: 3, Filename: "cat.png", Title: "a cat",
			Channel: room, InitialComment: "look", ThreadTimestamp: parent,
		})
		if err != nil || got.Title != "a cat" || got.ID == "" {
			t.Fatalf("got %+v, %v", got, err)
		}
		private, err := c.UploadFileContext(ctx, slack.UploadFileParameters{Reader: strings.NewReader("LARGER"), FileSize: 6, Filename: "dog.png"})
		if err != nil {
			t.Fatal(err)
		}
		media := standing(f)[1]
		want := stands{ID: media.ID, Thread: parent, Text: "look", Format: "mrkdwn", Media: "cat.png", Bytes: 3}
		if d := cmp.Diff(want, media); d != "" || len(standing(f)) != 2 {
			t.Error(d)
		}
		if _, _, _, err := c.UpdateMessageContext(ctx, room, media.ID, slack.MsgOptionFileIDs([]string{private.ID})); err != nil {
			t.Error(err)
		}
		want.Text, want.Media, want.Bytes, want.Edits = "", "dog.png", 6, 1
		if d := cmp.Diff(want, standing(f)[1]); d != "" {
			t.Error(d)
		}
		_, _, _, err = c.UpdateMessageContext(ctx, room, media.ID, slack.MsgOptionFileIDs([]string{"F0"}))
		wantCode(t, "an unknown file", err, "file_not_found")
		_, err = c.CompleteUploadExternalContext(ctx, slack.CompleteUploadExternalParameters{Files: []slack.FileSummary{{ID: private.ID}}})
		wantCode(t, "a file that is complete", err, "file_not_found")
	}
}

// shares are the ts of the messages that a file stands in, as slack-go reads them.
func shares(t *testing.T, c *slack.Client, id string) []string {
	t.Helper()
	file, _, _, err := c.GetFileInfoContext(t.Context(), id, 1, 1)
	if err != nil || file.ID != id {
		t.Fatalf("got %+v, %v", file, err)
	}
	var all []string
	for _, s := range file.Shares.Public[room] {
		all = append(all, s.Ts)
	}
	return all
}

func TestClientAsksForTheMessageOfAFile(t *testing.T) {
	for _, after := range []int{0, 2, -1} {
		f, c := client(t, slackfake.Config{Limits: slackfake.Unlimited, SharesAfter: after})
		ctx := t.Context()
		upload := func(to string) string {
			got, err := c.UploadFileContext(ctx, slack.UploadFileParameters{
				Reader: strings.NewReader("PNG"), FileSize: 3, Filename: "cat.png", Channel: to,
			})
			if err != nil {
				t.Fatal(err)
			}
			return got.ID
		}
		first, private := upload(room), upload("")
		want := []string{standing(f)[0].ID}
		if after < 0 {
			want = nil
		}
		for range max(after, 0) {
			if got := shares(t, c, first); got != nil {
				t.Errorf("after %d: told %q too soon", after, got)
			}
		}
		if d := cmp.Diff(want, shares(t, c, first)); d != "" {
			t.Errorf("after %d: %s", after, d)
		}
		if got := shares(t, c, private); got != nil {
			t.Errorf("a private file stands in %q", got)
		}
		// An update shares its files, too.
		if _, _, _, err := c.UpdateMessageContext(ctx, room, standing(f)[0].ID, slack.MsgOptionFileIDs([]string{private})); err != nil {
			t.Error(err)
		}
		for range max(after, 0) {
			shares(t, c, private)
		}
		if d := cmp.Diff(want, shares(t, c, private)); d != "" {
			t.Errorf("after %d: %s", after, d)
		}
		_, _, _, err := c.GetFileInfoContext(ctx, "F0", 1, 1)
		wantCode(t, "an unknown file", err, "file_not_found")
	}
}

func TestClientReadsHistory(t *testing.T) {
	f, c := client(t, slackfake.Config{Limits: slackfake.Unlimited})
	ctx := t.Context()
	var posted []string
	for n := range 5 {
		_, ts, err := c.PostMessageContext(ctx, room, slack.MsgOptionText(string(rune('a'+n)), false), slack.MsgOptionMetadata(slack.SlackMetadata{
			EventType: "outgate", EventPayload: map[string]any{"id": n},
		}))
		if err != nil {
			t.Fatal(err)
		}
		posted = append(posted, ts)
	}
	_, reply, err := c.PostMessageContext(ctx, room, slack.MsgOptionText("reply", false), slack.MsgOptionTS(posted[1]))
	if err != nil {
		t.Fatal(err)
	}

	params := slack.GetConversationHistoryParameters{ChannelID: room, Oldest: posted[1], Inclusive: true, Limit: 3, IncludeAllMetadata: true}
	var texts, types []string
	for {
		h, err := c.GetConversationHistoryContext(ctx, &params)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range h.Messages {
			texts, types = append(texts, m.Text), append(types, m.Metadata.EventType)
		}
		if params.Cursor = h.ResponseMetaData.NextCursor; params.Cursor == "" || !h.HasMore {
			break
		}
	}
	if d := cmp.Diff([]string{"e", "d", "c", "b"}, texts); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"outgate", "outgate", "outgate", "outgate"}, types); d != "" {
		t.Error(d)
	}
	h, err := c.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: room, Oldest: posted[1]})
	if err != nil || len(h.Messages) != 3 || h.Messages[0].Metadata.EventType != "" {
		t.Errorf("after %s: got %+v, %v", posted[1], h, err)
	}
	thread, _, _, err := c.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{ChannelID: room, Timestamp: posted[1]})
	if err != nil || len(thread) != 2 || thread[0].Timestamp != posted[1] || thread[1].Timestamp != reply {
		t.Errorf("got %+v, %v", thread, err)
	}
	_, _, _, err = c.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{ChannelID: room, Timestamp: "1.000001"})
	wantCode(t, "an unknown thread", err, "thread_not_found")
	_, err = c.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: room, Cursor: "none"})
	wantCode(t, "a cursor that is none", err, "invalid_cursor")
	if got := f.Rooms(); len(got) != 1 || got[0] != room {
		t.Errorf("got the rooms %q", got)
	}
}

func TestClientIsTurnedAway(t *testing.T) {
	f, c := client(t, slackfake.Config{Limits: slackfake.Unlimited, Rooms: []string{room}})
	ctx := t.Context()
	post := func(to, text string) error {
		_, _, err := c.PostMessageContext(ctx, to, slack.MsgOptionText(text, false))
		return err
	}
	wantCode(t, "an unknown channel", post("C0", "a"), "channel_not_found")
	wantCode(t, "no text", post(room, ""), "no_text")
	if err := post(room, strings.Repeat("é", 40000)); err != nil {
		t.Errorf("40,000 letters: %v", err)
	}
	wantCode(t, "one more", post(room, strings.Repeat("é", 40001)), "msg_too_long")
	ts := f.Messages(room)[0].ID
	_, _, _, err := c.UpdateMessageContext(ctx, room, ts, slack.MsgOptionText(strings.Repeat("é", 2000), false))
	if err != nil {
		t.Errorf("4,000 bytes: %v", err)
	}
	_, _, _, err = c.UpdateMessageContext(ctx, room, ts, slack.MsgOptionText(strings.Repeat("é", 2000)+"x", false))
	wantCode(t, "one more", err, "msg_too_long")
	_, _, err = c.PostMessageContext(ctx, room, slack.MsgOptionText("a", false), slack.MsgOptionTS("1.000001"))
	wantCode(t, "an unknown thread", err, "thread_not_found")

	f.Refuse(room, "is_archived")
	wantCode(t, "an archived channel", post(room, "a"), "is_archived")
	_, _, err = c.DeleteMessageContext(ctx, room, ts)
	wantCode(t, "a deletion in an archived channel", err, "is_archived")
	if _, err := c.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: room}); err != nil {
		t.Errorf("an archived channel cannot be read: %v", err)
	}
	_, err = c.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: "C0"})
	wantCode(t, "the history of an unknown channel", err, "channel_not_found")
	f.Refuse(room, "")
	f.SetToken("xoxb-18")
	wantCode(t, "the token of yesterday", post(room, "a"), "token_revoked")
	f.SetToken(token)
	if err := post(room, "a"); err != nil {
		t.Error(err)
	}
}

func TestClientIsThrottled(t *testing.T) {
	f, c := client(t, slackfake.Config{})
	f.Limit(slackfake.Limits{Post: ratelimit.Must("1/100s")})
	if _, _, err := c.PostMessageContext(t.Context(), room, slack.MsgOptionText("a", false)); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.PostMessageContext(t.Context(), room, slack.MsgOptionText("b", false))
	e, ok := errors.AsType[*slack.RateLimitedError](err)
	if !ok || e.RetryAfter != 100*time.Second {
		t.Errorf("got %v", err)
	}
	if _, _, err := c.PostMessageContext(t.Context(), "C0OTHER", slack.MsgOptionText("a", false)); err != nil {
		t.Errorf("another channel: %v", err)
	}
	if got := f.Counts(); got != (fakes.Counts{Requests: 3, Throttled: 1}) {
		t.Errorf("got %+v", got)
	}
}
