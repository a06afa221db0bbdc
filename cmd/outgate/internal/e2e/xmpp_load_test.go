package e2e

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/tasks"
)

// patient is a bridge that does not give up while a server is restarted. Its limit
// keeps the load going for as long: Prosody alone would take all at once.
const patient = `delivery: {max_attempts: 50}, limits: {bridge: "200/1s"}`

func TestEveryRoomOfAnXMPPServerKeepsItsOrder(t *testing.T) {
	t.Parallel()
	d := newJabber(t, 8).open(noLimits)
	d.load(8, 50)
	d.check(8, 50)
}

func TestAnXMPPServerThatIsRestartedUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	newJabber(t, 6).restarts(60, 1)
}

// restarts ends and starts the server in the middle of a load, so many times by an
// operator's stop and so many by a kill, and checks what became of the messages.
func (j *jabber) restarts(each, times int) {
	j.t.Helper()
	d := j.open(patient)
	receipts := d.admit(j.rooms, each)
	for n := range 2 * times {
		d.outcomes(receipts[:(n+1)*len(receipts)/(2*times+2)])
		if n%2 == 0 {
			j.Stop()
		} else {
			j.Kill()
		}
		j.Resume()
	}
	failed := j.settled(d, receipts)
	for place, e := range failed {
		j.t.Errorf("outcome of %s: %+v", place, e)
	}
}

func TestANewXMPPPasswordOnHangupLetsAllThatWaitedGoInOrder(t *testing.T) {
	t.Parallel()
	newJabber(t, 6).rotates(40)
}

// rotates changes the account's password in the middle of a load, and has the
// operator learn of it later.
func (j *jabber) rotates(each int) {
	j.t.Helper()
	d := j.open(patient)
	receipts := d.admit(j.rooms, each)
	d.outcomes(receipts[:len(receipts)/4])
	j.Stop()
	j.SetPassword("bot", "another")
	j.Resume()
	outgatetest.Eventually(j.t, "the bridge is suspended", func() bool {
		return d.rdb.HExists(j.t.Context(), ops.SuspendedKey, "b").Val()
	})
	outgatetest.WriteFile(j.t, j.password, "another")
	d.worker.Hangup <- syscall.SIGHUP
	failed := j.settled(d, receipts)
	for place, e := range failed {
		if e.Category != classify.Fatal || e.Reason != classify.ReasonUnauthorized {
			j.t.Errorf("outcome of %s: %+v", place, e)
		}
	}
	if len(failed) != 3 {
		j.t.Errorf("%d envelopes failed, want the three that suspended the bridge", len(failed))
	}
	d.worker.Logs(j.t, "bridge.resumed")
}

// settled waits until all is settled and checks the rooms: nothing is lost or comes
// before its turn but what failed, which it answers by its place, and nothing is
// there twice but what the outcome says may be.
func (j *jabber) settled(d *door, receipts []tasks.Receipt) map[string]*tasks.OutboundError {
	j.t.Helper()
	place := func(room string, seq int) string { return fmt.Sprint(seq, " of ", room) }
	failed, doubtful, again, twice := make(map[string]*tasks.OutboundError), make(map[string]bool), 0, 0
	for i, o := range d.outcomes(receipts) {
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
	j.t.Logf("%d messages: %d failed, %d took more than one attempt, %d may be there twice, %d are",
		len(receipts), len(failed), again, len(doubtful), twice)
	if again == 0 {
		j.t.Error("no message met the server's absence")
	}
	return failed
}
