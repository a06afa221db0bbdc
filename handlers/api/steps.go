package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/outgate/outgate/partition"
)

// describe tells the state and the steps of an envelope.
func (t *Trace) describe(v *view, r record) {
	t.Attempts, t.Crashes = int(number(r.task["og_try"])), int(number(r.task["og_crashes"]))
	t.Ambiguous = r.task["og_ambiguous"] == "1"
	var progress struct {
		Done int `json:"done"`
	}
	_ = json.Unmarshal([]byte(r.task["og_progress"]), &progress)
	t.Delivered = progress.Done
	if at, err := partition.AdmittedAt(t.ID); err == nil {
		t.step("admitted", at.UnixMilli(), fmt.Sprintf("to partition %d", t.Partition))
	}
	t.fromSteps(r.steps)
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

// fromSteps is what is kept of attempts that were followed by others: when each ended,
// its number and what became of it.
func (t *Trace) fromSteps(steps string) {
	for step := range strings.SplitSeq(steps, ";") {
		var at int64
		var try int
		var what string
		if n, _ := fmt.Sscan(step, &at, &try, &what); n < 3 {
			continue
		}
		if what == "cut_off" {
			t.step(what, at, fmt.Sprintf("attempt %d never reported", try))
		} else {
			t.step("failed", at, fmt.Sprintf("attempt %d: %s", try, what))
		}
	}
}

// fromTask is what asynq's task and our journal in it tell of an envelope that is not
// settled.
func (t *Trace) fromTask(v *view, r record) {
	state := r.task["state"]
	h := head{bridge: t.BridgeID, id: t.ID, state: state, flight: r.task["og_flight"] != "", held: r.task["og_held"] != "", until: number(r.task["og_until"])}
	if state == "" {
		return
	}
	first := number(r.task["og_at"])
	if first > 0 {
		t.step("attempted", first, "for the first time")
	}
	if r.task["og_settled"] != "" { // it stays in asynq's archive, maybe longer than all else
		t.State = "dead"
		return
	}
	t.State = state
	if t.lastFailure != "" && r.steps == "" {
		t.step("failed", max(t.lastFailedMS, first, t.Steps[0].AtMS), t.lastFailure)
	}
	switch state {
	case "scheduled":
		t.State = "parked"
		t.step("parked", 0, fmt.Sprintf("it is number %d in its line", t.Position))
		return
	case "archived":
		t.State, t.WaitsFor = "held", v.waits(h)
		return
	}
	t.WaitsFor = v.waits(h)
	if since := number(r.task["pending_since"]); since > 0 && state == "pending" {
		t.step("runnable", time.Unix(0, since).UnixMilli(), "")
	}
	if t.Crashes > strings.Count(r.steps, "cut_off") {
		t.step("cut_off", 0, fmt.Sprintf("%d attempts never reported", t.Crashes))
	}
	if h.flight {
		t.step("in_flight", 0, fmt.Sprintf("attempt %d", t.Attempts))
	}
	switch due := int64(r.due) * 1000; {
	case h.until > r.at:
		t.NextMS = h.until
	case state == "retry" && due > r.at:
		t.NextMS = due
	}
	if t.NextMS > 0 {
		t.step("waits", t.NextMS, "until then")
	}
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
