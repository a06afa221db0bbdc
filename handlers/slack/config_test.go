package slack_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/slack"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

func TestConfigErrorNamesTheFieldAndNotItsContent(t *testing.T) {
	cases := map[string]struct {
		cfg        slack.Config
		field, why string
	}{
		"no token":                 {slack.Config{}, "token", "required"},
		"a token of two lines":     {slack.Config{Token: "s3cret\n"}, "token", "space"},
		"a token of other letters": {slack.Config{Token: "s3crét"}, "token", "ASCII"},
		"a URL that is none":       {slack.Config{Token: "t", BaseURL: "http://s3cret:port"}, "base_url", "not a URL"},
		"a URL of another scheme":  {slack.Config{Token: "t", BaseURL: "ftp://s3cret"}, "base_url", "http"},
		"a URL without a host":     {slack.Config{Token: "t", BaseURL: "http:///s3cret"}, "base_url", "host"},
		"a URL with a user":        {slack.Config{Token: "t", BaseURL: "http://s3cret@h"}, "base_url", "user"},
		"a URL with a query":       {slack.Config{Token: "t", BaseURL: "http://h?s3cret"}, "base_url", "query"},
		"a URL with a fragment":    {slack.Config{Token: "t", BaseURL: "http://h#s3cret"}, "base_url", "fragment"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := slack.New(tc.cfg)
			e, ok := errors.AsType[*tasks.ConfigError](err)
			if !ok || e.Channel != "slack" || e.Field != tc.field || !strings.Contains(e.Why, tc.why) {
				t.Errorf("got %v, want %s: %s", err, tc.field, tc.why)
			}
			if err != nil && strings.Contains(err.Error(), "s3cr") {
				t.Errorf("the error tells what is in the field: %v", err)
			}
		})
	}
}

func TestGivenAddressMayBePrivateAndHaveAPath(t *testing.T) {
	url, got := record(t, 200, `{"ok":true,"ts":"1.000002"}`)
	send(t, channel(t, slack.Config{BaseURL: url + "/proxy%2Fa/"}), text("a"))
	if p := (*got)[0].path; p != "POST /proxy/a/api/chat.postMessage" {
		t.Errorf("asked %s", p)
	}
}

func TestCapabilities(t *testing.T) {
	for reconcile, want := range map[bool]tasks.Idempotency{true: tasks.Reconcilable, false: tasks.Blind} {
		got := channel(t, slack.Config{Reconcile: reconcile}).Capabilities()
		if got.Idempotency != want || !got.FetchesMedia || len(got.Operations) != 4 {
			t.Errorf("reconcile %v: got %+v", reconcile, got)
		}
		for _, l := range []tasks.Length{got.Text, got.Caption} {
			if !l.Fits(strings.Repeat("é", 2000), tasks.Plain) || l.Fits(strings.Repeat("é", 2000)+"x", "") {
				t.Error("2,000 letters of two bytes are not the longest text")
			}
		}
		if diff := cmp.Diff([]string{"<!channel", "<!here", "<!everyone", "@channel", "@here", "@everyone"}, got.Calls); diff != "" {
			t.Error(diff)
		}
	}
}

// The length is that of the text which goes out, whatever the format.
func TestLengthIsThatOfTheTextThatIsSent(t *testing.T) {
	f, c := start(t, slack.Config{})
	l := c.Capabilities().Text
	for _, s := range []string{"", "plain", "a & b <c> &amp;", "*bold* _it_ ~no~ `x`", "# title\n\n- **a**\n- [b](https://example.com?a=1&b=2)", "<b>bold</b> &lt; <a href=\"https://example.com\">x</a>", "🙂é"} {
		for _, format := range []tasks.Format{"", tasks.Plain, tasks.Markdown, tasks.HTML} {
			m := text("." + s)
			m.Opts.Format = format
			send(t, c, m)
			got := standing(f)
			last := got[len(got)-1]
			if n := l.Measure("."+s, format); n != len(last.Text) {
				t.Errorf("%q as %q counts %d, but is %q", s, format, n, last.Text)
			}
			if want := map[bool]string{true: "mrkdwn", false: "plain"}[format == tasks.Markdown || format == tasks.HTML]; last.Format != want {
				t.Errorf("%q is sent as %s", format, last.Format)
			}
		}
	}
}

func TestLongestTextCanBePostedAndEdited(t *testing.T) {
	_, c := start(t, slack.Config{})
	longest := strings.Repeat("&", 800)
	d := send(t, c, text(longest))
	send(t, c, edited(d.MessageID, longest))
	if _, err := c.Edit(t.Context(), edited(d.MessageID, longest+"x")); classify.Classify(err).Reason != classify.ReasonMessageTooLong {
		t.Errorf("got %v", err)
	}
}

func TestPace(t *testing.T) {
	c := channel(t, slack.Config{})
	files := ratelimit.Pace{Route: "files.completeUploadExternal", Bridge: ratelimit.Must("20/60s"), PerRoute: true}
	for op, want := range map[tasks.Operation]ratelimit.Pace{
		tasks.Send:      {Route: "chat.postMessage", Room: ratelimit.Must("1/1s"), PerRoute: true},
		tasks.Edit:      {Route: "chat.update", Bridge: ratelimit.Must("50/60s"), Room: ratelimit.Must("1/1200ms"), PerRoute: true},
		tasks.SendMedia: files,
		tasks.EditMedia: files,
	} {
		if diff := cmp.Diff(want, c.Pace(tasks.Message{Operation: op})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", op, diff)
		}
	}
}
