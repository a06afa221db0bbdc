//go:build faults

package e2e

import (
	"testing"

	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
)

// strict measures up to three times until the figures are good. A run on an unsteady
// machine can prove them good, but not bad. Order, loss and doubles must be right each
// time. With few -messages a run is a quarter as long and the bounds are wider.
func strict(t *testing.T, fresh func() paced, rooms, each int) {
	t.Helper()
	throttled, least := 0.001, 0.9
	if *messages < 50_000 {
		throttled, least = 0.01, 0.7
		if rooms >= 100 { // in few rooms the bucket of a room must become empty
			each /= 4
		}
	}
	judged := false
	for range 3 {
		f := fresh().measure(t, rooms, each)
		if f.throttled <= throttled && f.used >= least {
			return
		}
		judged = judged || f.steady
	}
	if judged {
		t.Errorf("got three bad runs, want one with at most %.1f %% answered 429 and at least %.0f %% of the rate used", 100*throttled, 100*least)
	}
}

// The providers run one after the other, so that the machine is steady.
func TestFaultEachProviderIsSentToAtItsPace(t *testing.T) {
	for i, p := range documented() {
		t.Run(p.channel, func(t *testing.T) {
			strict(t, func() paced { return documented()[i] }, 100, 20)
		})
	}
	// With 100 rooms discord's global limit is the tighter one and no room's bucket is
	// ever empty. With ten rooms the buckets are tighter.
	t.Run("discord's buckets", func(t *testing.T) {
		buckets := func() paced {
			return paced{discordWith(discordfake.Limits{}), []pace{limit("50/1s"), perRoom("5/5s")}}
		}
		strict(t, buckets, 10, 30)
	})
}

func TestFaultABridgeLearnsAStricterRate(t *testing.T) {
	for _, p := range tightened() {
		t.Run(p.channel, func(t *testing.T) {
			// If the bridge only obeyed the delays, it would be 30 to 56 %.
			if f := p.measure(t, 50, 12); f.steady && f.throttled > 0.25 {
				t.Errorf("got %.1f %% answered 429, want at most 25 %%: the bridge does not learn the rate", 100*f.throttled)
			}
		})
	}
}

func TestFaultOfTwoHundredEditsTheLastIsSeenWithinTheDocumentedLimits(t *testing.T) {
	forEach(t, []*provider{
		telegramWith(telegramfake.Limits{}), slackWith(slackfake.Limits{}),
		discordWith(discordfake.Limits{}), matrixWith(matrixfake.Limits{}),
	}, func(t *testing.T, p *provider) { p.open(t).flood() })
}
