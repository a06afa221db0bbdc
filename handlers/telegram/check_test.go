package telegram_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
)

func TestCheckIsAboutTheTokenAndSendsNothing(t *testing.T) {
	fake, c := provider(t)
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := fake.Counts(); n.Requests != 1 || n.Refused != 0 {
		t.Errorf("the counts are %+v", n)
	}
	fake.SetToken("123:other")
	err := c.Check(t.Context())
	if v := classify.Classify(err); v.Category != classify.Fatal || v.Reason != classify.ReasonUnauthorized {
		t.Errorf("got %v: %+v", err, v)
	}
	if strings.Contains(err.Error(), token) {
		t.Errorf("the token stands in %v", err)
	}
}

func TestCheckOfWhatIsNoTelegram(t *testing.T) {
	c, got := answering(t, 200, `<html>a portal that wants a login, "ok":true</html>`)
	if err := c.Check(t.Context()); classify.Classify(err).Reason != classify.ReasonInvalidReply {
		t.Errorf("got %v", err)
	}
	if len(got) != 1 {
		t.Fatalf("%d requests came", len(got))
	}
	if r := <-got; r.method != "getMe" || r.body != "" {
		t.Errorf("got %+v", r)
	}
}
