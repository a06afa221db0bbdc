package slack_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/tasks"
)

func TestMediaIsUploadedAndShared(t *testing.T) {
	f, c := sharing(t, 0)
	d := send(t, c, picture("PNG", "a <cat>"))
	got := standing(f)
	if diff := cmp.Diff(sent(got[0].ID), d); diff != "" {
		t.Errorf("the delivery (-want +got):\n%s", diff)
	}
	wantRoom(t, f, stands{ID: got[0].ID, Text: "a &lt;cat&gt;", Format: "mrkdwn", Media: "cat.png", Bytes: 3})
}

func TestSharedMediaIsEdited(t *testing.T) {
	f := slackfake.New(slackfake.Config{Token: token, Limits: slackfake.Unlimited, SharesAtOnce: true})
	c := channel(t, slack.Config{BaseURL: serve(t, f)})
	first := send(t, c, picture("PNG", "a cat"))
	want := tasks.Delivery{
		MessageID: standing(f)[0].ID,
		Result:    map[string]any{"channel": room, "file_id": "F000000001", "ts": standing(f)[0].ID},
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("the delivery (-want +got):\n%s", diff)
	}
	d := send(t, c, editedPicture(first.MessageID, "LARGER", ""))
	want.Result["file_id"] = "F000000002"
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("the edit (-want +got):\n%s", diff)
	}
	wantRoom(t, f, stands{ID: first.MessageID, Format: "plain", Media: "cat.png", Bytes: 6, Edits: 1})
}

func TestShareOfThisRoomIsTheMessage(t *testing.T) {
	answer := strings.Replace(recorded(t, "complete_shares.json"), `"ok": true,`,
		`"ok": true, "file_id": "F123ABC456", "upload_url": "http://HOST/upload/1",`, 1)
	u, got := record(t, 200, answer)
	c := channel(t, slack.Config{BaseURL: u})
	c.ShareWaits()
	m := picture("PNG", "a & b")
	m.Opts.ThreadID = "1.000001"
	want := tasks.Delivery{
		MessageID: "1700000001.000003",
		Result:    map[string]any{"channel": room, "file_id": "F123ABC456", "ts": "1700000001.000003"},
	}
	if diff := cmp.Diff(want, send(t, c, m)); diff != "" {
		t.Errorf("the delivery (-want +got):\n%s", diff)
	}
	m.ExternalRoomID = "C000OTHER"
	if d := send(t, c, m); d.MessageID != "F123ABC456" {
		t.Errorf("a file that is shared elsewhere is the message %q", d.MessageID)
	}
	wantUpload(t, (*got)[:3])
}

// wantUpload checks the three requests of an upload.
func wantUpload(t *testing.T, got []request) {
	t.Helper()
	first, second, third := got[0], got[1], got[2]
	values, _ := url.ParseQuery(first.body)
	if diff := cmp.Diff(url.Values{"filename": {"cat.png"}, "length": {"3"}}, values); diff != "" ||
		first.path != "POST /api/files.getUploadURLExternal" ||
		first.header.Get("Content-Type") != "application/x-www-form-urlencoded" ||
		first.header.Get("Authorization") != "Bearer "+token {
		t.Errorf("the first request is %+v\n%s", first, diff)
	}
	if second.path != "POST /upload/1" || second.body != "PNG" || second.header.Get("Authorization") != "" ||
		second.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("the second request is %+v", second)
	}
	var args map[string]any
	_ = json.Unmarshal([]byte(third.body), &args)
	want := map[string]any{
		"files": []any{map[string]any{"id": "F123ABC456", "title": "cat.png"}}, "channel_id": room,
		"initial_comment": "a &amp; b", "thread_ts": "1.000001",
	}
	if diff := cmp.Diff(want, args); diff != "" || third.path != "POST /api/files.completeUploadExternal" {
		t.Errorf("the third request is %s (-want +got):\n%s", third.path, diff)
	}
}
