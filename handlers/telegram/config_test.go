package telegram_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/telegram"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

func TestConfigErrorNamesTheFieldAndNotItsContent(t *testing.T) {
	tests := map[string]struct {
		cfg        telegram.Config
		field, why string
	}{
		"no token":                     {telegram.Config{}, "token", "required"},
		"a token with a line's end":    {telegram.Config{Token: "1:s3cret\n"}, "token", "characters"},
		"a token that is a path":       {telegram.Config{Token: "1:s3cret/../x"}, "token", "characters"},
		"an address that is none":      {telegram.Config{Token: token, BaseURL: "http://u:s3cret@host:port/"}, "base_url", "not a URL"},
		"an address without a scheme":  {telegram.Config{Token: token, BaseURL: "s3cret.example.com"}, "base_url", "http"},
		"an address of another scheme": {telegram.Config{Token: token, BaseURL: "ftp://s3cret.example.com"}, "base_url", "http"},
		"an address without a host":    {telegram.Config{Token: token, BaseURL: "http:///s3cret"}, "base_url", "host"},
		"an address with a query":      {telegram.Config{Token: token, BaseURL: "http://example.com/?s3cret"}, "base_url", "path"},
		"an address with a fragment":   {telegram.Config{Token: token, BaseURL: "http://example.com/#s3cret"}, "base_url", "path"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := telegram.New(tc.cfg)
			e, ok := errors.AsType[*tasks.ConfigError](err)
			if !ok || e.Channel != "telegram" || e.Field != tc.field || !strings.Contains(e.Why, tc.why) {
				t.Fatalf("got %v, want field %s, %s", err, tc.field, tc.why)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error tells what is in the field: %v", err)
			}
		})
	}
}

func TestErrorHoldsNoTokenThatIsTheUserOfTheAddress(t *testing.T) {
	ch, err := telegram.New(telegram.Config{Token: token, BaseURL: "http://t0ken@127.0.0.1:1/"})
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	_, err = ch.Send(t.Context(), text("42", "hello"))
	wantVerdict(t, err, classify.Verdict{Category: classify.Retryable, Reason: classify.ReasonConnectionFailed})
	if strings.Contains(err.Error(), "t0ken") {
		t.Errorf("got %v", err)
	}
}

func TestDefaultAddressIsTelegrams(t *testing.T) {
	ch, err := telegram.New(telegram.Config{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	if got, want := telegram.MethodURL(ch, "sendMessage"), "https://api.telegram.org/bot"+token+"/sendMessage"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPaceIsThatOfTheDocuments(t *testing.T) {
	_, ch := provider(t)
	limits := func(s string) []ratelimit.Limit { return ratelimit.Must(s) }
	person := ratelimit.Pace{Bridge: limits("30/1s"), Room: limits("1/1s")}
	group := ratelimit.Pace{Bridge: limits("30/1s"), Room: limits("1/1s 20/60s")}
	for room, want := range map[string]ratelimit.Pace{"42": person, "-42": group, "-1001234567890": group, "@news": group} {
		for _, m := range []tasks.Message{text(room, "x"), editText(room, "1", "x"), media(room, tasks.Media{}), editMedia(room, "1", tasks.Media{})} {
			if d := cmp.Diff(want, ch.Pace(m)); d != "" {
				t.Errorf("%s %s: %s", m.Operation, room, d)
			}
		}
	}
}
