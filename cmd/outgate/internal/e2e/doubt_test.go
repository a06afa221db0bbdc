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

func TestALostReplyMakesADoubleOnlyIfTheProviderCannotBeAsked(t *testing.T) {
	t.Parallel()
	const fail = "delivery: {on_ambiguous: fail}"
	slack := func() *provider { return slackWith(slackfake.Unlimited) }
	telegram := func() *provider { return telegramWith(telegramfake.Unlimited) }
	tests := make(map[string]func(*testing.T))
	for name, tc := range map[string]struct {
		provider *provider
		// messages is how many messages the room has, doubt what the outcome says.
		messages int
		doubt    string
	}{
		"discord drops a known nonce":                  {discordWith(discordfake.Unlimited), 1, "none"},
		"discord does so if ambiguity fails":           {discordWith(discordfake.Unlimited).with(fail), 1, "none"},
		"matrix drops a known transaction":             {matrixWith(matrixfake.Limits{Burst: -1}), 1, "none"},
		"matrix does so if ambiguity fails":            {matrixWith(matrixfake.Limits{Burst: -1}).with(fail), 1, "none"},
		"slack finds the message if reconcile is true": {slack().with("reconcile: true"), 1, "none"},
		"slack finds it if ambiguity fails":            {slack().with("reconcile: true").with(fail), 1, "none"},
		"slack reports a possible duplicate":           {slack(), 2, "possible duplicate"},
		"slack fails if on_ambiguous is fail":          {slack().with(fail), 1, "ambiguous"},
		"telegram reports a possible duplicate":        {telegram(), 2, "possible duplicate"},
		"telegram fails if on_ambiguous is fail":       {telegram().with(fail), 1, "ambiguous"},
	} {
		tests[name] = func(t *testing.T) {
			d := tc.provider.open(t)
			d.Lose(1)
			o := d.Outcome(d.Enqueue(d.envelope(0, tasks.Send, tasks.Text("once"), "")))
			if doubt := doubtOf(o); doubt != tc.doubt {
				t.Errorf("got %q (%+v %+v), want %q", doubt, o.Success, o.Error, tc.doubt)
			}
			if texts := d.texts(0); len(texts) != tc.messages {
				t.Errorf("got texts %q, want %d", texts, tc.messages)
			}
			if o.Success != nil && o.Success.MessageID != d.Messages(d.room(0))[tc.messages-1].ID {
				t.Errorf("got message id %s in the outcome, want that of the last message in the room", o.Success.MessageID)
			}
			if lost := d.Counts().Lost; lost != 1 {
				t.Errorf("got %d lost replies, want 1", lost)
			}
			// The room goes on.
			d.Send(d.envelope(0, tasks.Send, tasks.Text("next"), ""))
			if texts := d.texts(0); len(texts) != tc.messages+1 {
				t.Errorf("after the next message: got texts %q, want %d", texts, tc.messages+1)
			}
		}
	}
	atOnce(t, tests)
}

// doubtOf is what an outcome says about an ambiguous attempt.
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
		id := d.Send(d.envelope(0, tasks.Send, tasks.Text("before"), "")).MessageID
		d.Lose(1)
		d.Send(d.envelope(0, tasks.Edit, tasks.Text("after"), id))
		if diff := cmp.Diff([]string{"after"}, d.texts(0)); diff != "" {
			t.Errorf("the room (-want +got):\n%s", diff)
		}
	})
}

func TestARefusedRoomFailsOnlyItsOwnMessages(t *testing.T) {
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
		outcomes := d.Outcomes(d.EnqueueBatch(
			d.envelope(0, tasks.Send, tasks.Text("x"), ""), d.envelope(1, tasks.Send, tasks.Text("x"), ""),
		)...)
		if e := outcomes[0].Error; e == nil || e.Reason != classify.ReasonRoomUnavailable || e.Ambiguous {
			t.Errorf("the refused room: got %+v, want room_unavailable", outcomes[0])
		}
		if outcomes[1].Success == nil {
			t.Errorf("the other room: got %+v, want a success", outcomes[1].Error)
		}
	})
}
