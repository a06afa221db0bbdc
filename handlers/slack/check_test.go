package slack_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/slack"
)

func TestCheckIsAboutTheTokenAndPostsNothing(t *testing.T) {
	f, c := start(t, slack.Config{})
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := f.Counts(); n.Requests != 1 || n.Refused != 0 {
		t.Errorf("the counts are %+v", n)
	}
	f.SetToken("xoxb-another")
	err := c.Check(t.Context())
	if v := verdict(err); v.Category != classify.Fatal || v.Provider.Code != "token_revoked" {
		t.Errorf("got %v: %+v", err, v)
	}
	if strings.Contains(err.Error(), token) {
		t.Errorf("the token stands in %v", err)
	}
}

func TestCheckOfWhatIsNoSlack(t *testing.T) {
	at, got := record(t, 200, "<html>a portal that wants a login</html>")
	err := channel(t, slack.Config{BaseURL: at}).Check(t.Context())
	if verdict(err).Reason != classify.ReasonInvalidReply {
		t.Errorf("got %v", err)
	}
	if r := *got; len(r) != 1 || r[0].path != "POST /api/auth.test" {
		t.Errorf("got %+v", r)
	}
}
