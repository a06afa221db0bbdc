package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/handlers/webhook"
	"github.com/outgate/outgate/tasks"
)

func TestABaseURLStandsInForTheReceiver(t *testing.T) {
	for _, tc := range []struct{ address, base, want string }{
		{"https://u:p@example.com/a%2Fb/c?key=1", "", "https://u:p@example.com/a%2Fb/c?key=1"},
		{"https://u:p@example.com/a%2Fb/c?key=1", "http://127.0.0.1:9", "http://u:p@127.0.0.1:9/a%2Fb/c?key=1"},
		{"https://example.com/hook", "http://127.0.0.1:9/stand/in/", "http://127.0.0.1:9/stand/in/hook"},
		{"https://example.com", "http://127.0.0.1:9", "http://127.0.0.1:9"},
	} {
		if got, err := webhook.StandIn(tc.address, tc.base); err != nil || got != tc.want {
			t.Errorf("%s at %q is %s, %v, want %s", tc.address, tc.base, got, err, tc.want)
		}
	}
	for _, bad := range [][2]string{{"http://%zz", "http://h"}, {"http://h", "http://%zz"}} {
		if _, err := webhook.StandIn(bad[0], bad[1]); !errors.As(err, new(*tasks.ConfigError)) {
			t.Errorf("%v: %v", bad, err)
		}
	}

	asked := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer receiver.Close()
	spec := webhook.Spec()
	channel, err := spec.Open(provider.NewSettings(map[string]string{
		"url": "https://example.com/hook", "base_url": receiver.URL, "allow_private": "true",
	}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := channel.Send(context.Background(), tasks.Message{ID: "1", Token: "1", Operation: tasks.Send, Text: "x"}); err != nil {
		t.Error(err)
	} else if path := <-asked; path != "/hook" {
		t.Errorf("the receiver is asked for %s, want /hook", path)
	}
}
