package api

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/outgate/outgate/partition"
)

// describe tells the state and the steps of an envelope.
func (t *Trace) describe(v *view, r record) {
	j := r.journal
	t.Attempts, t.Crashes, t.Ambiguous, t.Delivered = j.Try, j.Crashes, j.Ambiguous, j.Progress.Done
	if at, err := partition.AdmittedAt(t.ID); err == nil {
		t.step("admitted", at.UnixMilli(), fmt.Sprintf("to partition %d", t.Partition))
	}
	t.fromAttempts(j.Attempts)
	t.fromTask(v, r)
	t.fromDeadLetter()
	t.fromOutcome()
	slices.SortStableFunc(t.Steps, func(a, b Step) int {
		if (a.AtMS == 0) != (b.AtMS == 0) {
			return cmp.Compare(b.AtMS, a.AtMS) // those without a time last
		}
		return cmp.Or(cmp.Compare(a.AtMS, b.AtMS), cmp.Compare(early[a.What], early[b.What]))
	})
}

// early is the order of steps within one millisecond; any other comes after them.
var early = map[string]int{"admitted": -3, "attempted": -2, "failed": -1, "cut_off": -1}

func (t *Trace) step(what string, at int64, text string) {
	t.Steps = append(t.Steps, Step{What: what, AtMS: at, Text: text})
}

// fromAttempts is what is kept of attempts that were followed by others.
func (t *Trace) fromAttempts(attempts []partition.Attempt) {
	for _, a := range attempts {
		if a.What == partition.CutOff {
			t.step("cut_off", a.AtMS, fmt.Sprintf("attempt %d never reported", a.Try))
		} else {
			t.step("failed", a.AtMS, fmt.Sprintf("attempt %d: %s", a.Try, a.What))
		}
	}
}

// fromTask is what asynq's task and our journal in it tell of an envelope that is not
// settled.
func (t *Trace) fromTask(v *view, r record) {
	j, h := r.journal, head{bridge: t.BridgeID, id: t.ID}
	h.fill(j)
	if j.State == "" {
		return
	}
	if j.FirstMS > 0 {
		t.step("attempted", j.FirstMS, "for the first time")
	}
	if j.Settled { // it stays in asynq's archive, maybe longer than all else
		t.State = "dead"
		return
	}
	t.State = j.State
	if t.lastFailure != "" && len(j.Attempts) == 0 {
		t.step("failed", max(t.lastFailedMS, j.FirstMS, t.Steps[0].AtMS), t.lastFailure)
	}
	switch j.State {
	case "scheduled":
		t.State = "parked"
		t.step("parked", 0, fmt.Sprintf("it is number %d in its line", t.Position))
		return
	case "archived":
		t.State, t.WaitsFor = "held", v.waits(h)
		return
	}
	t.WaitsFor = v.waits(h)
	if !j.PendingSince.IsZero() && j.State == "pending" {
		t.step("runnable", j.PendingSince.UnixMilli(), "")
	}
	if t.Crashes > cutOff(j.Attempts) {
		t.step("cut_off", 0, fmt.Sprintf("%d attempts never reported", t.Crashes))
	}
	if h.flight {
		t.step("in_flight", 0, fmt.Sprintf("attempt %d", t.Attempts))
	}
	switch due := int64(r.due) * 1000; {
	case h.until > r.at:
		t.NextMS = h.until
	case j.State == "retry" && due > r.at:
		t.NextMS = due
	}
	if t.NextMS > 0 {
		t.step("waits", t.NextMS, "until then")
	}
}

// cutOff counts the attempts that never reported.
func cutOff(attempts []partition.Attempt) (n int) {
	for _, a := range attempts {
		if a.What == partition.CutOff {
			n++
		}
	}
	return n
}

// fromDeadLetter is what its record tells of an envelope that was set aside.
func (t *Trace) fromDeadLetter() {
	d := t.DeadLetter
	if d == nil {
		return
	}
	t.BridgeID, t.ExternalRoomID, t.Operation = d.BridgeID, d.ExternalRoomID, d.Operation
	t.Kind, t.SizeBytes, t.Attempts = d.Kind, d.SizeBytes, max(t.Attempts, d.Attempts)
	t.Ambiguous = t.Ambiguous || d.Ambiguous
	text := shortened(string(d.Reason) + " " + d.Provider)
	if d.Held {
		t.State = "held"
		t.step("held", d.DiedAtMS, text)
	} else {
		t.State = "dead"
		t.step("dead", d.DiedAtMS, text)
	}
	if d.ReplayedAs != "" {
		t.State = "replayed"
		at := int64(0)
		if admitted, err := partition.AdmittedAt(d.ReplayedAs); err == nil {
			at = admitted.UnixMilli()
		}
		t.step("replayed", at, "as "+d.ReplayedAs)
	}
}

// fromOutcome is what the outcome tells. A success says how long it took; of an error
// without a dead letter the time is not known.
func (t *Trace) fromOutcome() {
	o := t.Outcome
	if o == nil {
		return
	}
	admitted := int64(0)
	if at, err := partition.AdmittedAt(t.ID); err == nil {
		admitted = at.UnixMilli()
	}
	switch {
	case o.Success != nil:
		s := o.Success
		t.State, t.Attempts, t.Operation = "delivered", s.Attempts, s.Operation
		t.CorrelationID, t.Ambiguous = s.CorrelationID, s.PossibleDuplicate
		t.step("attempted", admitted+s.QueuedMS, "for the first time")
		t.step("delivered", admitted+s.LatencyMS, fmt.Sprintf("at attempt %d", s.Attempts))
		t.BridgeID, t.ExternalRoomID = routed(s.RoutingKey, t.BridgeID, t.ExternalRoomID)
	case o.Error != nil:
		e := o.Error
		t.Attempts, t.Operation, t.CorrelationID = e.Attempt, e.Operation, e.CorrelationID
		t.Ambiguous = e.Ambiguous
		t.BridgeID, t.ExternalRoomID = routed(e.RoutingKey, t.BridgeID, t.ExternalRoomID)
		if t.DeadLetter == nil {
			t.State = "failed"
			t.step("settled", 0, shortened(string(e.Reason)+" "+saidOf(e.Provider)))
		}
	case o.Superseded != nil:
		t.State = "superseded"
		t.step("superseded", 0, "by "+o.Superseded.SupersededBy)
	}
}
