package webhook_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/webhook"
	"github.com/outgate/outgate/tasks"
)

func TestConfigErrorNamesTheFieldAndNotItsContent(t *testing.T) {
	const ok = "https://example.com/hook"
	cases := map[string]struct {
		cfg   webhook.Config
		field string
		why   string
	}{
		"no URL":                   {webhook.Config{}, "url", "required"},
		"a URL that is none":       {webhook.Config{URL: "http://u:s3cret@host:port/"}, "url", "not a URL"},
		"a URL without a scheme":   {webhook.Config{URL: "example.com/s3cret"}, "url", "http"},
		"a URL of another scheme":  {webhook.Config{URL: "ftp://example.com/s3cret"}, "url", "http"},
		"a URL without a host":     {webhook.Config{URL: "http:///s3cret"}, "url", "host"},
		"a URL with only a port":   {webhook.Config{URL: "http://:80/s3cret"}, "url", "host"},
		"a secret that is no key":  {webhook.Config{URL: ok, Secret: "whsec_s3cret!"}, "secret", "base64"},
		"a secret of an empty key": {webhook.Config{URL: ok, Secret: "good whsec_"}, "secret", "base64"},
		"a blank secret":           {webhook.Config{URL: ok, Secret: " \n"}, "secret", "blank"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := webhook.New(c.cfg)
			var e *tasks.ConfigError
			if !errors.As(err, &e) {
				t.Fatalf("got %T %v", err, err)
			}
			if e.Field != c.field || !strings.Contains(e.Why, c.why) || !strings.HasPrefix(err.Error(), "webhook: "+c.field+": ") {
				t.Errorf("got %v, want field %s, %s", err, c.field, c.why)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error tells what is in the field: %v", err)
			}
		})
	}
}

func TestErrorHoldsNoTokenThatIsTheUserOfTheURL(t *testing.T) {
	ch := channel(t, webhook.Config{URL: "http://t0ken@127.0.0.1:1/"})
	_, err := ch.Send(t.Context(), message())
	if err == nil || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("got %v", err)
	}
}
