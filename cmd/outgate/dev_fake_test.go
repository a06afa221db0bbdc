package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
)

func TestDevShowsTheTourOnEveryFake(t *testing.T) {
	faked := channels.Faked()
	p := world{}.start(t, "dev", "--addr", "127.0.0.1:0", "--redis-addr", "127.0.0.1:0",
		"--fake", strings.Join(faked[:2], ","), "--fake", strings.Join(faked[2:], ","))
	outgatetest.Eventually(t, "it says how to go on", func() bool { return strings.Contains(p.Out.String(), "Ctrl-C ends it.\n") })
	out := p.Out.String()
	for _, bridge := range faked {
		_, tour, found := strings.Cut(out, "over bridge "+bridge+", which leads to a fake")
		_, room, _ := strings.Cut(tour, "In the room stands now:\n")
		room, _, _ = strings.Cut(room, "\n\n")
		lines := strings.Split(room, "\n")
		want := 2
		if bridge == "xmpp" { // a caption is a message of its own
			want = 3
		}
		last := lines[len(lines)-1]
		if !found || len(lines) != want || !strings.Contains(lines[0], `"Good morning! Your parcel arrives today."  (edited)`) ||
			!strings.Contains(last, "it is at your door") || !strings.Contains(last, "(edited)") {
			t.Errorf("%s: %q", bridge, room)
		}
	}
	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 || got.Err != "" {
		t.Errorf("%+v", got)
	}
	got := world{}.run(t, "dev", "--fake", "telegram,icq")
	if got.Code != 2 || got.Err != "outgate: --fake icq: there is none; there are "+strings.Join(slices.Sorted(slices.Values(faked)), ", ")+"\n" {
		t.Errorf("%+v", got)
	}
}
