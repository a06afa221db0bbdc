package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/tasks"
)

func TestDevShowsTheTourOnEveryFake(t *testing.T) {
	faked := channels.Faked()
	p := world{}.start(t, "dev", "--addr", "127.0.0.1:0", "--redis-addr", "127.0.0.1:0",
		"--fake", strings.Join(faked[:2], ","), "--fake", strings.Join(faked[2:], ","))
	gatewaytest.Until(t, "it says how to continue", func() bool { return strings.Contains(p.Out.String(), "Ctrl-C stops it.\n") })
	out := p.Out.String()
	for _, bridge := range faked {
		_, tour, found := strings.Cut(out, "over bridge "+bridge+": a fake")
		_, room, _ := strings.Cut(tour, "The room now shows:\n")
		room, _, _ = strings.Cut(room, "\n\n")
		lines := strings.Split(room, "\n")
		want, last := 2, "it is at your door"
		switch {
		case bridge == "xmpp": // a caption is a message of its own
			want = 3
		case !channels.Known[bridge].Capabilities.Supports(tasks.EditMedia):
			want, last = 1, "Your parcel arrives today."
		}
		got := lines[len(lines)-1]
		if !found || len(lines) != want || !strings.Contains(lines[0], `"Good morning! Your parcel arrives today."  (edited)`) ||
			!strings.Contains(got, last) || !strings.Contains(got, "(edited)") {
			t.Errorf("%s: got %q, want %d lines, an edited text first and %q last", bridge, room, want, last)
		}
	}
	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 || got.Err != "" {
		t.Errorf("got %+v, want status 0, no error", got)
	}
	got := world{}.run(t, "dev", "--fake", "telegram,icq")
	want := "outgate: --fake icq: there is none; there are " + strings.Join(slices.Sorted(slices.Values(faked)), ", ") + "\n"
	if got.Code != 2 || got.Err != want {
		t.Errorf("got %+v, want status 2, error %q", got, want)
	}
}
