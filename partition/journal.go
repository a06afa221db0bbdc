package partition

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Journal is what a task's hash tells of its envelope: asynq's state of it, and in
// fields of ours, og_*, what its attempts leave to each other. The scripts write it.
type Journal struct {
	// State is asynq's: pending, active, retry, scheduled, archived or completed. It is
	// empty if there is no task.
	State string
	// PendingSince is when it became runnable, zero if it is not.
	PendingSince time.Time
	// Runnable is true if a script of ours made it the head of its line.
	Runnable bool
	// Flight is the token of the attempt that is under way, or that ended without a
	// word; empty for none.
	Flight string
	// Try is the number of the last attempt, Crashes how many attempts never reported.
	Try, Crashes int
	// Reported is true once an attempt reported, and did not settle it.
	Reported bool
	// Ambiguous is true if any attempt may have been accepted without our knowing.
	Ambiguous bool
	// FirstMS is when its first attempt began, and UntilMS when the next one may, both in
	// unix ms; 0 for no such time.
	FirstMS, UntilMS int64
	// Held is true for a dead head that its line waits for, and Settled for one of which
	// only asynq's archive has anything left.
	Held, Settled bool
	// Critical is true for a parked one that goes to the front of its partition.
	Critical bool
	Progress Progress
	// Attempts are the latest of those that were followed by others.
	Attempts []Attempt
}

// The fields of a task's hash: first asynq's, then ours.
const (
	fieldMessage      = "msg"
	fieldState        = "state"
	fieldPendingSince = "pending_since"
	fieldUniqueKey    = "unique_key"

	fieldHead      = "og_head"
	fieldFlight    = "og_flight"
	fieldTry       = "og_try"
	fieldAt        = "og_at"
	fieldJournal   = "og_journal"
	fieldReported  = "og_reported"
	fieldCrashes   = "og_crashes"
	fieldAmbiguous = "og_ambiguous"
	fieldUntil     = "og_until"
	fieldProgress  = "og_progress"
	fieldSteps     = "og_steps"
	fieldReply     = "og_reply"
	fieldCritical  = "og_critical"
	fieldHeld      = "og_held"
	fieldSettled   = "og_settled"
)

var (
	// journalFields are those that a Journal is read from, and headFields those that say
	// how a head stands.
	journalFields = []string{
		fieldState, fieldPendingSince, fieldHead, fieldFlight, fieldTry, fieldAt, fieldJournal, fieldCrashes,
		fieldAmbiguous, fieldUntil, fieldProgress, fieldSteps, fieldCritical, fieldHeld, fieldSettled,
	}
	headFields = []string{fieldState, fieldFlight, fieldUntil, fieldHeld, fieldTry}
)

// TaskFields are all the fields of a task's hash, asynq's and ours.
func TaskFields() []string {
	return append([]string{fieldMessage, fieldUniqueKey, fieldReported, fieldReply}, journalFields...)
}

// ParseJournal reads the fields of a task's hash, as far as they are there.
func ParseJournal(fields map[string]string) Journal {
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(fields[name], 10, 64)
		return n
	}
	j := Journal{
		State: fields[fieldState], Runnable: fields[fieldHead] != "", Flight: fields[fieldFlight],
		Try: int(number(fieldTry)), Crashes: int(number(fieldCrashes)), Reported: fields[fieldJournal] != "",
		Ambiguous: fields[fieldAmbiguous] == "1", FirstMS: number(fieldAt), UntilMS: number(fieldUntil),
		Held: fields[fieldHeld] != "", Settled: fields[fieldSettled] != "", Critical: fields[fieldCritical] != "",
		Attempts: ParseAttempts(fields[fieldSteps]),
	}
	if ns := number(fieldPendingSince); ns > 0 {
		j.PendingSince = time.Unix(0, ns)
	}
	j.Progress, _ = ParseProgress(fields[fieldProgress])
	return j
}

// HeadState is what the envelope does if it is the head of its line.
func (j Journal) HeadState() HeadState {
	switch state := HeadState(j.State); {
	case state == "archived" && j.Held:
		return HeadHeld
	case state == HeadPending, state == HeadActive, state == HeadRetry:
		return state
	}
	return HeadGone
}

// Progress is what one attempt leaves to the next.
type Progress struct {
	// Done is how many pieces are delivered, and IDs the messages they became.
	Done int      `json:"done,omitempty"`
	IDs  []string `json:"ids,omitempty"`
	// Result holds the provider's own fields of the last piece.
	Result map[string]any `json:"result,omitempty"`
	// Doubled is true if a piece was sent again that may have been accepted before.
	Doubled bool `json:"doubled,omitempty"`
	// Throttled is how often the piece that is next was refused for its pace.
	Throttled int `json:"throttled,omitempty"`
	// QueuedMS is the time from admission to the first attempt.
	QueuedMS *int64 `json:"queued_ms,omitempty"`
}

// ParseProgress reads what Encode wrote; empty is no progress.
func ParseProgress(s string) (Progress, error) {
	var p Progress
	if s == "" {
		return p, nil
	}
	if err := json.Unmarshal([]byte(s), &p); err != nil {
		return p, fmt.Errorf("read the progress: %w", err)
	}
	return p, nil
}

// Encode is the progress as JSON. A result that is no JSON is left out: the ids matter
// more.
func (p Progress) Encode() string {
	data, err := json.Marshal(p)
	if err != nil {
		p.Result = nil
		data, _ = json.Marshal(p)
	}
	return string(data)
}

// CutOff is what became of an attempt that never reported.
const CutOff = "cut_off"

// Attempt is how an attempt ended that was followed by another.
type Attempt struct {
	// AtMS is when it ended, in unix ms; of one that was cut off, when that was found.
	AtMS int64
	// Try is its number.
	Try int
	// What is the reason of its failure, or CutOff.
	What string
}

// ParseAttempts reads them as scripts write them (lua/attempts.lua), and leaves out
// what is no attempt.
func ParseAttempts(s string) []Attempt {
	var all []Attempt
	for part := range strings.SplitSeq(s, ";") {
		var a Attempt
		if n, _ := fmt.Sscan(part, &a.AtMS, &a.Try, &a.What); n == 3 {
			all = append(all, a)
		}
	}
	return all
}
