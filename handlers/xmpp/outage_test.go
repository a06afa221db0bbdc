package xmpp_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/xmpp/prosodytest"
)

// A worker's rooms go on while their server is killed and started again: each sends
// its messages in order, and again what failed.
func TestAServerThatIsKilledAndStartedAgainLosesNothing(t *testing.T) {
	srv := prosody(t)
	rooms := []string{"alice@localhost", "bob@localhost"}
	ch := channel(t, srv.Addr)
	const each = 60
	type result struct {
		unknown int
		err     error
	}
	done := make(chan result)
	ready := make(chan struct{}, len(rooms)*each)
	for _, room := range rooms {
		go func() {
			var r result
			for n := range each {
				for {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					_, err := ch.Send(ctx, text(room, fmt.Sprintf("%s-%03d", room, n), fmt.Sprintf("%03d", n)))
					cancel()
					if err == nil {
						break
					}
					v := classify.Classify(err)
					if !v.Retryable() {
						r.err = err
						break
					}
					if v.Ambiguous {
						r.unknown++
					}
					select {
					case <-t.Context().Done():
					case <-time.After(max(v.After, 5*time.Millisecond)):
					}
				}
				ready <- struct{}{}
			}
			done <- r
		}()
	}
	for n := range 2 {
		for range 30 {
			<-ready
		}
		if n == 0 {
			srv.Kill()
		} else {
			srv.Stop()
		}
		srv.Resume()
	}
	unknown := 0
	for range rooms {
		r := <-done
		if r.err != nil {
			t.Error(r.err)
		}
		unknown += r.unknown
	}
	// Both were away: the server has kept what it took.
	for _, room := range rooms {
		peer := srv.Login(t, strings.TrimSuffix(room, "@localhost"))
		seen := map[string]bool{}
		for len(seen) < each {
			m := peer.Next(t)
			if want := fmt.Sprintf("%03d", len(seen)); !seen[m.Body] && m.Body != want {
				t.Fatalf("%s got %s in the place of %s", room, m.Body, want)
			}
			seen[m.Body] = true
		}
	}
	t.Logf("%d attempts were left open", unknown)
}

func TestAServerThatStallsGetsNoMessageTwice(t *testing.T) {
	srv := prosody(t)
	peer := srv.Login(t, "alice")
	peer.Join(t, hall)
	ch := channel(t, srv.Addr)
	for _, room := range []string{alice, hall} {
		if _, err := ch.Send(t.Context(), text(room, room+"-1", "one")); err != nil {
			t.Fatal(err)
		}
		peer.Next(t)
		srv.Pause()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := ch.Send(ctx, text(room, room+"-2", "two"))
		cancel()
		wantVerdict(t, err, classify.Retryable, classify.ReasonTimeout, classify.SentUnknown)
		srv.Continue()
		for _, token := range []string{"-2", "-3"} {
			if _, err := ch.Send(t.Context(), text(room, room+token, token)); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []string{"two", "-3"} {
			if got := peer.Next(t); got.Body != want {
				t.Errorf("got %q, want %q", got.Body, want)
			}
		}
	}
}

func TestARoomIsEnteredAgainOnTheNextStream(t *testing.T) {
	srv := prosody(t)
	srv.Login(t, "alice").Join(t, hall, prosodytest.Lasting)
	ch := channel(t, srv.Addr)
	if _, err := ch.Send(t.Context(), text(hall, "007-1f", "one")); err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	srv.Resume()
	peer := srv.Login(t, "alice")
	peer.Join(t, hall)
	if _, err := ch.Send(t.Context(), text(hall, "007-20", "two")); err != nil {
		t.Fatal(err)
	}
	if got := peer.Next(t); got.ID != "007-20" || got.From != hall+"/bot" {
		t.Errorf("got %+v", got)
	}
}
