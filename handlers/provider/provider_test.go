package provider_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/tasks"
)

func TestSettingsHaveTheValuesOfKeys(t *testing.T) {
	var out bytes.Buffer
	s := provider.NewSettings(map[string]string{"token": "hunter2", "reconcile": "true", "other": "false"}, &out)
	if s.Get("token") != "hunter2" || s.Get("none") != "" || s.Out != &out {
		t.Errorf("got %q, %q, %v, want the value, nothing, the writer", s.Get("token"), s.Get("none"), s.Out)
	}
	if !s.Is("reconcile") || s.Is("other") || s.Is("none") {
		t.Errorf("got %v, %v, %v, want true for a flag that is set alone", s.Is("reconcile"), s.Is("other"), s.Is("none"))
	}
	if s := provider.NewSettings(nil, nil); s.Out != io.Discard || s.Get("token") != "" {
		t.Errorf("got the writer %v and the token %q of no settings, want io.Discard and nothing", s.Out, s.Get("token"))
	}
	if s := (provider.Settings{}); s.Get("token") != "" || s.Is("reconcile") {
		t.Error("got values of the zero Settings, want none")
	}
}

func TestSettingsPrintNoSecret(t *testing.T) {
	s := provider.NewSettings(map[string]string{"token": "hunter2"}, io.Discard)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, got := range []string{fmt.Sprintf(verb, s), fmt.Sprintf(verb, struct{ in provider.Settings }{s})} {
			if strings.Contains(got, "hunter2") || strings.Contains(got, "68756e74") {
				t.Errorf("%s prints %q", verb, got)
			}
		}
	}
	if text, err := json.Marshal(s); strings.Contains(string(text), "hunter2") {
		t.Errorf("JSON prints %s (%v)", text, err)
	}
}

func TestASpecFindsItsKeys(t *testing.T) {
	spec := provider.Spec{Keys: []provider.Key{
		{Name: "token", Needed: true, Example: "abc"}, {Name: "nick", Example: "bot"},
	}}
	if key, ok := spec.Key("nick"); !ok || key.Example != "bot" {
		t.Errorf("got %+v, %v, want the key nick", key, ok)
	}
	if key, ok := spec.Key("server"); ok {
		t.Errorf("got %+v, want no key", key)
	}
	if got := spec.Example(); len(got) != 1 || got["token"] != "abc" {
		t.Errorf("got %v, want the examples of the needed keys", got)
	}
}

func TestATableFollowsTheCapabilities(t *testing.T) {
	for class, want := range map[tasks.Idempotency]bool{tasks.Native: true, tasks.Reconcilable: false, tasks.Blind: false} {
		rules := classify.Rules{{Status: 403, Category: classify.Fatal, Reason: classify.ReasonForbidden}}
		got := provider.Table(rules, tasks.Capabilities{Idempotency: class})
		if got.Dedupes != want || len(got.Rules) != 1 {
			t.Errorf("%s: got %+v, want the rules, and Dedupes %v", class, got, want)
		}
	}
}

func TestAFakeIsServedUntilItsListenerIsClosed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	serve := provider.ServeHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hi") }))
	go func() { ended <- serve(listener) }()
	resp, err := http.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if string(body) != "hi" {
		t.Errorf("got %q, want hi", body)
	}
	_ = listener.Close()
	if err := <-ended; err == nil {
		t.Error("got no error of a listener that is closed, want one")
	}
}
