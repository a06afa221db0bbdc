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

// documented are the providers with the limits they document. A homeserver's
// default, 10 at once and 0.2 a second, would take hours: here fake and bridge both
// have 50 a second.
func documented() []paced {
	return []paced{
		{telegramWith(telegramfake.Limits{}), []pace{limit("30/1s"), perRoom("1/1s")}},
		{slackWith(slackfake.Limits{}), []pace{perRoom("1/1s")}},
		{discordWith(discordfake.Limits{}), []pace{limit("50/1s"), perRoom("5/5s")}},
		{matrixWith(matrixfake.Limits{PerSecond: 50, Burst: 50}).with(`limits: {bridge: "50/1s"}`), []pace{limit("50/1s")}},
	}
}

// tightened are the providers with limits that their bridges do not know of.
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

// figures are those of one load.
type figures struct {
	throttled, used float64
	// steady is true if this machine kept no timer waiting for so long that a slot of
	// the limiter could be lost, or used late: if not, throttled and used say nothing.
	steady bool
}

// measure sends messages to a provider, and proves order, loss and doubles.
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
		t.Errorf("%d requests were refused", counts.Refused)
	}
	return f
}

func TestEachProviderIsSentToAtItsPace(t *testing.T) {
	t.Parallel()
	tests := make(map[string]func(*testing.T))
	for _, p := range documented() {
		tests[p.channel] = func(t *testing.T) {
			// The first and the last second weigh much here; the long form is strict.
			if f := p.measure(t, 20, 10); f.steady && (f.throttled > 0.02 || f.used < 0.3) {
				t.Errorf("figures %+v", f)
			}
		}
	}
	for _, p := range tightened() {
		tests[p.channel+" that got stricter"] = func(t *testing.T) {
			f := p.measure(t, 20, 3)
			// discord tells in each reply what is left, so it need not refuse. How often
			// the others do depends on how fast this machine is.
			if p.channel == "discord" && f.steady && f.throttled >= 0.02 {
				t.Errorf("%.1f %% were answered 429", 100*f.throttled)
			}
		}
	}
	atOnce(t, tests)
}
