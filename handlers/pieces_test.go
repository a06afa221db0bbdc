package handlers_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// ofFour cuts texts at four letters.
func ofFour() *provider {
	p := newProvider(tasks.Native, time.Minute)
	p.can.Text.Max, p.can.Caption.Max = 4, 4
	return p
}

func TestAnEditChangesSendsAndTakesBackWhatItHasTo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		deletes  bool
		shorter  string
		requests string
	}{
		"where messages can be taken back": {true, "cccc", "edit m1 cccc|delete m2|delete m3"},
		"where they cannot":                {false, "cccc|…|…", "edit m1 cccc|edit m2 …|edit m3 …"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := ofFour()
			var ch handlers.Channel = p
			if c.deletes {
				ch = deleter{p}
			}
			g := newGateway(t, testConfig(testBridge("b", ch)))
			g.work()
			o := g.Send(toRoom("b", "1", "aaaa bbb"))
			if diff := cmp.Diff([]string{"m1", "m2"}, o.MessageIDs); diff != "" {
				t.Error(diff)
			}
			edit := editOf(o.MessageID, "xxxx yyyy zz")
			o = g.Send(edit)
			if diff := cmp.Diff([]string{"event", "event", "m3"}, o.MessageIDs); diff != "" || p.room() != "xxxx|yyyy|zz" {
				t.Errorf("the longer edit: %q, room %q", o.MessageIDs, p.room())
			}
			before := len(p.requests())
			g.Send(editOf("m1", c.shorter[:4]))
			if got := p.requests()[before+1:]; got != c.requests || p.room() != c.shorter {
				t.Errorf("the shorter edit asks for %q, room %q", got, p.room())
			}
			g.Send(editOf("m1", "dddd"))
			if want := "dddd" + c.shorter[4:]; p.room() != want {
				t.Errorf("room %q, want %q", p.room(), want)
			}
		})
	}
}

func TestALongCaptionGoesOnBelowItsMedia(t *testing.T) {
	t.Parallel()
	p := ofFour()
	g := newGateway(t, testConfig(testBridge("b", p)))
	g.work()
	media := tasks.Envelope{
		Operation: tasks.SendMedia, BridgeID: "b", ExternalRoomID: "1", Opts: &tasks.Opts{ReplyTo: "7"},
		Payload: tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: "https://e.com/a.png", Caption: "aaaa bbbb"}},
	}
	o := g.Send(media)
	if p.room() != "<aaaa>|bbbb" || len(o.MessageIDs) != 2 {
		t.Errorf("room %q, outcome %+v", p.room(), o)
	}
	media.Operation, media.ExternalMessageID = tasks.EditMedia, o.MessageID
	media.Payload.Media = &tasks.Media{Kind: tasks.Image, URL: "https://e.com/b.png", Caption: "cccc dddd"}
	if g.Send(media); p.room() != "<cccc>|dddd" {
		t.Errorf("room %q", p.room())
	}
}

func TestWhatIsRememberedOfPiecesGoesAway(t *testing.T) {
	t.Parallel()
	p := deleter{ofFour()}
	g := newGateway(t, testConfig(testBridge("b", p)))
	g.work()
	g.Send(toRoom("b", "1", "one"))
	keys := func() []string { return g.Redis.Keys(t.Context(), "outgate:pieces:*").Val() }
	if k := keys(); len(k) != 0 {
		t.Errorf("one piece is remembered: %q", k)
	}
	g.Send(toRoom("b", "1", "two more"))
	if k := keys(); len(k) != 1 || g.Redis.PTTL(t.Context(), k[0]).Val() < 6*24*time.Hour {
		t.Errorf("several pieces: %q", k)
	}
	g.Send(editOf("m2", "none"))
	if k := keys(); len(k) != 0 {
		t.Errorf("one that is left is remembered: %q", k)
	}
}

func TestAChannelsOwnPaceIsKept(t *testing.T) {
	t.Parallel()
	// Who need not wait is known by a window that no machine is too slow for.
	one := func(waits bool) []ratelimit.Limit {
		if waits {
			return []ratelimit.Limit{{N: 1, Window: 150 * time.Millisecond}}
		}
		return []ratelimit.Limit{{N: 1, Window: 25 * time.Second}}
	}
	// between is the time between the first two requests.
	between := func(p *provider) time.Duration { return p.sentAt[1].Sub(p.sentAt[0]) }
	for name, c := range map[string]struct {
		pace   ratelimit.Pace
		own    []ratelimit.Limit
		second tasks.Envelope
		waits  bool
	}{
		"of the room":                          {ratelimit.Pace{Room: one(true)}, nil, toRoom("b", "1", "y"), true},
		"of the room, for an edit too":         {ratelimit.Pace{Room: one(true)}, nil, editOf("m1", "y"), true},
		"of the route alone":                   {ratelimit.Pace{Room: one(false), PerRoute: true}, nil, editOf("m1", "y"), false},
		"of the same route":                    {ratelimit.Pace{Room: one(true), PerRoute: true, Route: "r"}, nil, editOf("m1", "y"), true},
		"of the bridge":                        {ratelimit.Pace{Bridge: one(true)}, nil, toRoom("b", "2", "y"), true},
		"but not where the bridge says faster": {ratelimit.Pace{Room: one(false)}, []ratelimit.Limit{{N: 100, Window: time.Second}}, toRoom("b", "1", "y"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(tasks.Blind, 0)
			p.pace = c.pace
			g := newGateway(t, onePartition(testBridge("b", p, func(b *handlers.Bridge) { b.RoomLimits = c.own })))
			g.work()
			g.Send(toRoom("b", "1", "x"))
			g.Send(c.second)
			window := one(c.waits)[0].Window
			if got := between(p); (got >= window) != c.waits {
				t.Errorf("%s between them, want a wait %t", got, c.waits)
			}
		})
	}
}

func TestAPauseThatTheProviderAsksForHoldsForItsRouteInTheRoom(t *testing.T) {
	t.Parallel()
	p := newProvider(tasks.Blind, 0)
	p.pause = 4 * time.Second
	g := newGateway(t, onePartition(testBridge("b", p)))
	g.work()
	g.Send(toRoom("b", "1", "x"))
	g.Send(editOf("m1", "y"))
	for _, room := range []string{"2", "3", "4"} {
		g.Send(toRoom("b", room, "z"))
	}
	g.Send(toRoom("b", "1", "w"))
	if first, last := p.sentAt[0], p.sentAt[5]; last.Sub(first) < p.pause {
		t.Errorf("%s between two of the route", last.Sub(first))
	}
	// Four rooms that paused are not four that were refused: the bridge goes on.
	if n := g.Redis.Exists(t.Context(), "outgate:limit:{b}:closed").Val(); n != 0 || p.sentAt[4].Sub(p.sentAt[0]) >= p.pause {
		t.Errorf("another room or route waited: %v", p.sentAt)
	}
}
