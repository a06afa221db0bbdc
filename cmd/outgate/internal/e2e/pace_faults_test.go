//go:build faults

package e2e

import (
	"testing"

	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
)

// strict measures until the figures are as promised, three times at most. A run in
// which this machine was not steady may show that they are, and not that they are not.
// Order, loss and doubles must be right each time.
// The short form (few -messages) is a quarter as long, and its first and last second
// weigh more.
func strict(t *testing.T, fresh func() paced, rooms, each int) {
	t.Helper()
	throttled, least := 0.001, 0.9
	if *messages < 50_000 {
		throttled, least = 0.01, 0.7
		if rooms >= 100 { // a room's bucket is only seen once it is empty
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
		t.Errorf("three times more than %.1f %% were answered 429, or less than %.0f %% of the rate was used", 100*throttled, 100*least)
	}
}

// The providers come one after the other, for the same reason.
func TestFaultEachProviderIsSentToAtItsPace(t *testing.T) {
	for i, p := range documented() {
		t.Run(p.channel, func(t *testing.T) {
			strict(t, func() paced { return documented()[i] }, 100, 20)
		})
	}
	// Over 100 rooms discord's limit of all requests is the tighter one, and no
	// channel's bucket is ever empty. In ten rooms it is the buckets.
	t.Run("discord's buckets", func(t *testing.T) {
		buckets := func() paced {
			return paced{discordWith(discordfake.Limits{}), []pace{limit("50/1s"), perRoom("5/5s")}}
		}
		strict(t, buckets, 10, 30)
	})
}

func TestFaultAProviderThatGotStricterIsHeard(t *testing.T) {
	for _, p := range tightened() {
		t.Run(p.channel, func(t *testing.T) {
			// Where only the delays are obeyed it is 30 to 56 %.
			if f := p.measure(t, 50, 12); f.steady && f.throttled > 0.25 {
				t.Errorf("%.1f %% were answered 429: the rate is not learned", 100*f.throttled)
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
