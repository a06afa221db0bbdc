package e2e

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// patient is a bridge that retries while a server restarts. Its rate limit makes the
// load last until then: Prosody would accept all messages at once.
const patient = `delivery: {max_attempts: 50}, limits: {bridge: "200/1s"}`

func TestEveryRoomOfAnXMPPServerKeepsItsOrder(t *testing.T) {
	t.Parallel()
	d := newJabber(t, 8).open(noLimits)
	d.load(8, 50)
	d.check(8, 50)
}

func TestARestartOfAnXMPPServerUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	newJabber(t, 6).restarts(60, 1)
}

// restarts stops the server in the middle of a load and starts it again, as often by a
// stop as by a kill, and checks the messages.
func (j *jabber) restarts(each, times int) {
	j.t.Helper()
	d := j.open(patient)
	receipts := d.admit(j.rooms, each)
	for n := range 2 * times {
		d.Outcomes(receipts[:(n+1)*len(receipts)/(2*times+2)]...)
		if n%2 == 0 {
			j.Stop()
		} else {
			j.Kill()
		}
		j.Resume()
	}
	failed := j.settled(d, receipts)
	for place, e := range failed {
		j.t.Errorf("message %s: got outcome %+v, want a success", place, e)
	}
}

func TestANewXMPPPasswordOnHangupDeliversAllWaitingMessagesInOrder(t *testing.T) {
	t.Parallel()
	newJabber(t, 6).rotates(40)
}

// rotates changes the account's password in the middle of a load. The operator changes
// the configuration later.
func (j *jabber) rotates(each int) {
	j.t.Helper()
	d := j.open(patient)
	receipts := d.admit(j.rooms, each)
	d.Outcomes(receipts[:len(receipts)/4]...)
	j.Stop()
	j.SetPassword("bot", "another")
	j.Resume()
	gatewaytest.Until(j.t, "the bridge is suspended", func() bool {
		return d.Redis.HExists(j.t.Context(), partition.SuspendedKey, "b").Val()
	})
	outgatetest.WriteFile(j.t, j.password, "another")
	d.Hangup <- syscall.SIGHUP
	failed := j.settled(d, receipts)
	for place, e := range failed {
		if e.Category != classify.Fatal || e.Reason != classify.ReasonUnauthorized {
			j.t.Errorf("message %s: got outcome %+v, want unauthorized", place, e)
		}
	}
	if len(failed) != 3 {
		j.t.Errorf("got %d failed envelopes, want the three that suspended the bridge", len(failed))
	}
	d.Logs(j.t, "bridge.resumed")
}

// settled waits for all outcomes and checks the rooms: only failed messages are missing,
// and only possible duplicates are there twice. It returns the failures by message.
func (j *jabber) settled(d *gateway, receipts []tasks.Receipt) map[string]*tasks.OutboundError {
	j.t.Helper()
	place := func(room string, seq int) string { return fmt.Sprint(seq, " of ", room) }
	failed, doubtful, again, twice := make(map[string]*tasks.OutboundError), make(map[string]bool), 0, 0
	for i, o := range d.Outcomes(receipts...) {
		if o.Success == nil {
			failed[place(d.room(i%j.rooms), 1+i/j.rooms)] = o.Error
			continue
		}
		if o.Success.Attempts > 1 {
			again++
		}
		if o.Success.PossibleDuplicate {
			doubtful[o.Success.MessageID] = true
		}
	}
	d.checkBut(j.rooms, len(receipts)/j.rooms, ledger.Expect{
		Ambiguous: func(id string) bool { return doubtful[id] },
		GivenUp:   func(room string, seq int) bool { return failed[place(room, seq)] != nil },
	})
	for _, room := range d.Rooms() {
		twice += len(d.Messages(room))
	}
	twice -= len(receipts) - len(failed)
	j.t.Logf("%d messages: %d failed, %d needed more than one attempt, %d are possible duplicates, %d are duplicates",
		len(receipts), len(failed), again, len(doubtful), twice)
	if again == 0 {
		j.t.Error("got no message with more than one attempt, want some: the server was down")
	}
	return failed
}
