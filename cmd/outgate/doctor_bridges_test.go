package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
)

func TestDoctorChecksTheCredentialOfEachBridge(t *testing.T) {
	const good, bad = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "123456789:revoked-and-s3cret"
	serve := func(h http.Handler) string {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return srv.URL
	}
	telegram := telegramfake.New(telegramfake.Config{Token: good})
	slack, discord := slackfake.New(slackfake.Config{Token: "xoxb-1"}), discordfake.New(discordfake.Config{Token: "dis.cord.token"})
	matrix := matrixfake.New(matrixfake.Config{})
	posted := false
	hook := serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { posted = true }))
	tg := serve(telegram)
	config := fmt.Sprintf(`bridges:
  - {id: tg, channel: telegram, token: "%s", base_url: "%s"}
  - {id: tg-old, channel: telegram, token: "%s", base_url: "%s"}
  - {id: sl, channel: slack, token: xoxb-1, base_url: "%s"}
  - {id: dc, channel: discord, token: dis.cord.token, base_url: "%s"}
  - {id: mx, channel: matrix, token: "%s", base_url: "%s"}
  - {id: hook, channel: webhook, url: "%s/in/t0ken-in-path", allow_private: true, secret: webhook-s3cret}
  - {id: inside, channel: webhook, url: "%s"}
`, good, tg, bad, tg, serve(slack), serve(discord), matrixfake.DefaultToken, serve(matrix), hook, hook)
	s, _ := clinic(t, config, sound...)
	s.owned()
	by, got := s.found(t)
	if diff := cmp.Diff([]string{"problem bridge.inside", "problem bridge.tg-old"}, notOK(by)); diff != "" || got.Code != 1 {
		t.Errorf("got status %d, want 1 (-want +got):\n%s\n%s", got.Code, diff, got.Out)
	}
	if f := by["bridge.tg-old"]; !strings.Contains(f.Says, "401") || !strings.Contains(f.Do, "outgate bridges resume tg-old") {
		t.Errorf("a revoked token: got %+v, want 401 and the advice to resume the bridge", f)
	}
	if f := by["bridge.inside"]; !strings.Contains(f.Do, "allow_private: true") {
		t.Errorf("a private address: got %+v, want the advice allow_private: true", f)
	}
	if f := by["bridge.hook"]; f.Says != "webhook: the receiver can be reached; nothing was posted" || posted {
		t.Errorf("a webhook: got %+v, posted %v; want a reachable receiver and no POST", f, posted)
	}
	for _, secret := range []string{good, bad, "xoxb-1", "dis.cord.token", matrixfake.DefaultToken, "webhook-s3cret", "t0ken-in-path"} {
		if strings.Contains(got.Out+got.Err, secret) {
			t.Errorf("got the secret %s in the output, want none", secret)
		}
	}
}
