package e2e

import (
	"testing"
	"time"

	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/ratelimit"
)

// paced is a provider and the limits that it enforces.
type paced struct {
	*provider
	limits []pace
}

func limit(s string) pace   { return pace{Limit: ratelimit.Must(s)[0]} }
func perRoom(s string) pace { return pace{Limit: ratelimit.Must(s)[0], perRoom: true} }

// documented are the providers with their documented limits. The default of a Matrix
// homeserver, 0.2 per second, would take hours: fake and bridge have 50 per second.
func documented() []paced {
	return []paced{
		{telegramWith(telegramfake.Limits{}), []pace{limit("30/1s"), perRoom("1/1s")}},
		{slackWith(slackfake.Limits{}), []pace{perRoom("1/1s")}},
		{discordWith(discordfake.Limits{}), []pace{limit("50/1s"), perRoom("5/5s")}},
		{matrixWith(matrixfake.Limits{PerSecond: 50, Burst: 50}).with(`limits: {bridge: "50/1s"}`), []pace{limit("50/1s")}},
	}
}

// tightened are the providers with stricter limits than their bridges know.
func tightened() []paced {
	return []paced{
		{telegramWith(telegramfake.Limits{Bot: telegramfake.Limit{N: 10, Window: time.Second}}), []pace{limit("10/1s"), perRoom("1/1s")}},
		{slackWith(slackfake.Limits{Post: ratelimit.Must("1/2s")}), []pace{perRoom("1/2s")}},
		{
			discordWith(discordfake.Limits{Send: discordfake.Limit{N: 2, Window: 5 * time.Second}}),
			[]pace{limit("50/1s"), perRoom("2/5s")},
		},
		{matrixWith(matrixfake.Limits{PerSecond: 20, Burst: 20}).with(`limits: {bridge: "50/1s"}`), []pace{limit("20/1s")}},
	}
}

// figures are the results of one load.
type figures struct {
	throttled, used float64
	// steady is true if no timer of this machine was so late that a slot of the limiter
	// could be lost or late. If it is false, throttled and used say nothing.
	steady bool
}

// measure sends messages to a provider and checks order, loss and doubles.
func (p paced) measure(t *testing.T, rooms, each int) figures {
	t.Helper()
	d := p.open(t)
	stalls := ledger.Stalls()
	d.load(rooms, each)
	late := stalls()
	times := d.check(rooms, each)
	if t.Failed() {
		t.FailNow()
	}
	counts := d.Counts()
	share, took := used(times, p.limits)
	f := figures{float64(counts.Throttled) / float64(counts.Requests), share, late <= ledger.Steady}
	t.Logf("%s: %d messages to %d rooms in %.1f s, %.1f %% of the allowed rate; %d requests, %d (%.2f %%) answered 429; timers up to %s late",
		p.channel, rooms*each, rooms, took.Seconds(), 100*f.used, counts.Requests, counts.Throttled, 100*f.throttled, late.Round(time.Millisecond))
	if counts.Refused > 0 {
		t.Errorf("got %d refused requests, want 0", counts.Refused)
	}
	return f
}

func TestEachProviderIsSentToAtItsPace(t *testing.T) {
	t.Parallel()
	tests := make(map[string]func(*testing.T))
	for _, p := range documented() {
		tests[p.channel] = func(t *testing.T) {
			// The first and the last second count much here; the fault test is strict.
			if f := p.measure(t, 20, 10); f.steady && (f.throttled > 0.02 || f.used < 0.3) {
				t.Errorf("got %+v, want at most 2 %% throttled and at least 30 %% of the rate used", f)
			}
		}
	}
	for _, p := range tightened() {
		tests[p.channel+" that got stricter"] = func(t *testing.T) {
			f := p.measure(t, 20, 3)
			// Each reply of discord says how many requests are left, so it refuses few. How
			// often the others refuse depends on the speed of this machine.
			if p.channel == "discord" && f.steady && f.throttled >= 0.02 {
				t.Errorf("got %.1f %% answered 429, want less than 2 %%", 100*f.throttled)
			}
		}
	}
	atOnce(t, tests)
}
