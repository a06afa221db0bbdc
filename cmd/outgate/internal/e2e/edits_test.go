package e2e

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/tasks"
)

// flood edits one message 200 times within a second, and checks what becomes of it.
func (d *gateway) flood() {
	d.T.Helper()
	const edits = 200
	id := d.Send(d.envelope(0, tasks.Send, tasks.Text("edit 0"), "")).MessageID
	var receipts []tasks.Receipt
	tick := time.NewTicker(time.Second / edits)
	defer tick.Stop()
	stalls := ledger.Stalls()
	start := time.Now()
	for n := 1; n <= edits; n++ {
		<-tick.C
		receipts = append(receipts, d.EnqueueBatch(d.envelope(0, tasks.Edit, tasks.Text(fmt.Sprintf("edit %d", n)), id))...)
	}
	admitted := time.Since(start)
	outcomes := d.Outcomes(receipts...)
	sent, superseded := 0, 0
	for i, o := range outcomes {
		switch {
		case o.Success != nil:
			sent++
		case o.Superseded != nil:
			superseded++
		default:
			d.T.Errorf("edit %d: %+v", i+1, o.Error)
		}
	}
	counts := d.Counts()
	d.T.Logf("%s: %d edits in %.1f s: %d sent, %d superseded, %d requests in all, %d answered 429; settled after %.1f s",
		d.channel, edits, admitted.Seconds(), sent, superseded, counts.Requests, counts.Throttled, time.Since(start).Seconds())
	if last := outcomes[edits-1]; last.Success == nil {
		d.T.Errorf("the last edit: %+v %+v", last.Superseded, last.Error)
	}
	if diff := cmp.Diff([]string{fmt.Sprintf("edit %d", edits)}, d.texts(0)); diff != "" {
		d.T.Errorf("the room (-want +got):\n%s", diff)
	}
	if late := stalls(); late <= ledger.Steady && counts.Throttled > 1 || counts.Refused > 0 {
		d.T.Errorf("the provider counts %+v; timers were up to %s late", counts, late)
	}
	if superseded == 0 {
		d.T.Error("no edit was left out")
	}
}

func TestOfTwoHundredEditsInASecondTheRoomSeesTheLast(t *testing.T) {
	t.Parallel()
	forEach(t, []*provider{
		telegramWith(telegramfake.Limits{}),
		slackWith(slackfake.Limits{}),
		discordWith(discordfake.Limits{Edit: discordfake.Limit{N: 2, Window: 3 * time.Second}}),
		matrixWith(matrixfake.Limits{PerSecond: 2, Burst: 5}).with(`limits: {bridge: "5/2500ms"}`),
	}, func(t *testing.T, p *provider) { p.open(t).flood() })
}

// Slack accepts the file before it has a message.
func TestMediaThatSlackSharesLaterIsEdited(t *testing.T) {
	t.Parallel()
	p := slackWith(slackfake.Unlimited).with(noLimits)
	p.fakeServer = slackfake.New(slackfake.Config{Token: "xoxb-t", Limits: slackfake.Unlimited, SharesAfter: 1})
	d := p.open(t)
	media := func(caption string) tasks.Payload {
		return picture(tasks.Media{Data: base64.StdEncoding.EncodeToString(png), Filename: "dot.png", Caption: caption})
	}
	id := d.Send(d.envelope(0, tasks.SendMedia, media("a dot"), "")).MessageID
	d.Send(d.envelope(0, tasks.EditMedia, media("another dot"), id))
	d.Send(d.envelope(0, tasks.Edit, tasks.Text("the same dot"), id))
	if diff := cmp.Diff([]string{"the same dot"}, d.texts(0)); diff != "" || id != d.Messages(d.room(0))[0].ID {
		t.Errorf("message id %s; the room (-want +got):\n%s", id, diff)
	}
	if counts := d.Counts(); counts.Refused > 0 {
		t.Errorf("got counts %+v of the provider, want none refused or throttled", counts)
	}
}

// words are n numbered words with a line break after every forty.
func words(n int) string {
	var b strings.Builder
	for i := range n {
		sep := " "
		if i%40 == 39 {
			sep = "\n\n"
		}
		fmt.Fprintf(&b, "word%05d%s", i, sep)
	}
	return strings.TrimSpace(b.String())
}

// read joins texts and removes white space.
func read(texts ...string) string { return strings.Join(strings.Fields(strings.Join(texts, " ")), "") }

func TestALongEditAndAShorterOneAfterItReadRight(t *testing.T) {
	t.Parallel()
	// So many words make three messages on each provider.
	long := map[string]int{"telegram": 1000, "slack": 1000, "discord": 500, "matrix": 7500}
	forEach(t, unlimited(), func(t *testing.T, p *provider) {
		d := p.open(t)
		id := d.Send(d.envelope(0, tasks.Send, tasks.Text("short"), "")).MessageID
		for _, step := range []struct {
			text   string
			pieces int
		}{{words(long[p.channel]), 3}, {"short again", 1}, {words(long[p.channel] * 6 / 10), 2}, {words(long[p.channel]), 3}, {"the end", 1}} {
			s := d.Send(d.envelope(0, tasks.Edit, tasks.Text(step.text), id))
			texts := d.texts(0)
			if len(texts) != step.pieces || read(texts...) != read(step.text) {
				t.Errorf("got %d messages with %d bytes, want %d with %d", len(texts), len(read(texts...)), step.pieces, len(read(step.text)))
			}
			if s.MessageID != id || d.Messages(d.room(0))[0].ID != id {
				t.Errorf("got message id %s, want %s as before the edit", s.MessageID, id)
			}
		}
		d.Send(d.envelope(1, tasks.Send, tasks.Text("another message"), ""))
		if diff := cmp.Diff([]string{"another message"}, d.texts(1)); diff != "" {
			t.Errorf("the other room (-want +got):\n%s", diff)
		}
		// telegram refuses an edit that changes nothing; that is a success.
		if counts := d.Counts(); counts.Refused > 0 && p.channel != "telegram" || counts.Throttled > 0 {
			t.Errorf("got counts %+v of the provider, want none refused or throttled", counts)
		}
	})
}
