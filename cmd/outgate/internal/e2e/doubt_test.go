package e2e

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/tasks"
)

func TestAReplyThatIsLostMakesADoubleOnlyWhereNothingCanBeKnown(t *testing.T) {
	t.Parallel()
	const fail = "delivery: {on_ambiguous: fail}"
	slack := func() *provider { return slackWith(slackfake.Unlimited) }
	telegram := func() *provider { return telegramWith(telegramfake.Unlimited) }
	tests := make(map[string]func(*testing.T))
	for name, tc := range map[string]struct {
		provider *provider
		// messages is how many stand in the room, told what the outcome says.
		messages int
		doubt    string
	}{
		"discord drops the nonce it knows":         {discordWith(discordfake.Unlimited), 1, "none"},
		"discord does so where doubt would fail":   {discordWith(discordfake.Unlimited).with(fail), 1, "none"},
		"matrix drops the transaction it knows":    {matrixWith(matrixfake.Limits{Burst: -1}), 1, "none"},
		"matrix does so where doubt would fail":    {matrixWith(matrixfake.Limits{Burst: -1}).with(fail), 1, "none"},
		"slack finds it where it may look":         {slack().with("reconcile: true"), 1, "none"},
		"slack finds it where doubt would fail":    {slack().with("reconcile: true").with(fail), 1, "none"},
		"slack says that it may be there twice":    {slack(), 2, "possible duplicate"},
		"slack fails where it is told to":          {slack().with(fail), 1, "ambiguous"},
		"telegram says that it may be there twice": {telegram(), 2, "possible duplicate"},
		"telegram fails where it is told to":       {telegram().with(fail), 1, "ambiguous"},
	} {
		tests[name] = func(t *testing.T) {
			d := tc.provider.open(t)
			d.Lose(1)
			o := d.outcomes(d.enqueue(d.envelope(0, tasks.Send, tasks.Text("once"), "")))[0]
			if doubt := doubtOf(o); doubt != tc.doubt {
				t.Errorf("the outcome says %q: %+v %+v", doubt, o.Success, o.Error)
			}
			if texts := d.texts(0); len(texts) != tc.messages {
				t.Errorf("the room reads %q", texts)
			}
			if o.Success != nil && o.Success.MessageID != d.Messages(d.room(0))[tc.messages-1].ID {
				t.Errorf("the outcome names message %s", o.Success.MessageID)
			}
			if lost := d.Counts().Lost; lost != 1 {
				t.Errorf("%d replies were lost", lost)
			}
			// The room goes on.
			d.deliver(d.envelope(0, tasks.Send, tasks.Text("next"), ""))
			if texts := d.texts(0); len(texts) != tc.messages+1 {
				t.Errorf("then the room reads %q", texts)
			}
		}
	}
	atOnce(t, tests)
}

// doubtOf is what an outcome says of a message that may be there.
func doubtOf(o tasks.Outcome) string {
	switch {
	case o.Error != nil && o.Error.Ambiguous:
		return "ambiguous"
	case o.Success != nil && o.Success.PossibleDuplicate:
		return "possible duplicate"
	case o.Success != nil:
		return "none"
	}
	return "failed"
}

func TestAnEditWhoseReplyIsLostIsRepeatedWithoutHarm(t *testing.T) {
	t.Parallel()
	forEach(t, unlimited(), func(t *testing.T, p *provider) {
		d := p.open(t)
		id := d.deliver(d.envelope(0, tasks.Send, tasks.Text("before"), "")).MessageID
		d.Lose(1)
		d.deliver(d.envelope(0, tasks.Edit, tasks.Text("after"), id))
		if diff := cmp.Diff([]string{"after"}, d.texts(0)); diff != "" {
			t.Errorf("the room (-want +got):\n%s", diff)
		}
	})
}

func TestWhatAProviderHasAgainstARoomIsToldOfThatRoomAlone(t *testing.T) {
	t.Parallel()
	forEach(t, unlimited(), func(t *testing.T, p *provider) {
		d := p.open(t)
		switch f := p.fakeServer.(type) {
		case *telegramfake.Fake:
			f.Refuse(d.room(0), 403, "Forbidden: bot was blocked by the user")
		case *slackfake.Fake:
			f.Refuse(d.room(0), "is_archived")
		case *discordfake.Fake:
			f.Remove(d.room(0))
		case *matrixfake.Fake:
			f.Kick(d.room(0))
		}
		outcomes := d.outcomes(d.enqueue(
			d.envelope(0, tasks.Send, tasks.Text("x"), ""), d.envelope(1, tasks.Send, tasks.Text("x"), ""),
		))
		if e := outcomes[0].Error; e == nil || e.Reason != classify.ReasonRoomUnavailable || e.Ambiguous {
			t.Errorf("the room that is closed: %+v", outcomes[0])
		}
		if outcomes[1].Success == nil {
			t.Errorf("the other: %+v", outcomes[1].Error)
		}
	})
}
