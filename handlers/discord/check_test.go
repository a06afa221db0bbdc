package discord_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/discord/discordfake"
)

func TestCheckIsAboutTheTokenAndSendsNothing(t *testing.T) {
	f, c := fake(t, discordfake.Config{})
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.SetToken("another")
	err := c.Check(t.Context())
	if v := classify.Classify(err); v.Category != classify.Fatal || v.Reason != classify.ReasonUnauthorized {
		t.Errorf("got %v: %+v", err, v)
	}
	if strings.Contains(err.Error(), token) {
		t.Errorf("the token stands in %v", err)
	}
	if n := f.Counts(); n.Requests != 2 || n.Refused != 1 {
		t.Errorf("the counts are %+v", n)
	}
}

func TestCheckOfWhatIsNoDiscord(t *testing.T) {
	at, got := recorder(t, 200, `<html>a portal that wants a login</html>`)
	if err := channel(t, at).Check(t.Context()); classify.Classify(err).Reason != classify.ReasonInvalidReply {
		t.Errorf("got %v", err)
	}
	if len(got) != 1 {
		t.Fatalf("%d requests came", len(got))
	}
	r := <-got
	if r.method != "GET" || r.path != "/api/v10/users/@me" || r.header.Get("Authorization") != "Bot "+token ||
		!strings.HasPrefix(r.header.Get("User-Agent"), "DiscordBot (") {
		t.Errorf("got %+v", r)
	}
}
