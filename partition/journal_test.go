package partition_test

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/partition"
)

// journal reads it both ways, which must agree in what a head's has.
func (g *gateway) journal(id string) partition.Journal {
	g.Helper()
	j, err := partition.ReadJournal(g.Context(), g.rdb, g.keys, id)
	g.must(err)
	pipe := g.rdb.Pipeline()
	head := partition.AskHead(g.Context(), pipe, g.keys, id)
	_, err = pipe.Exec(g.Context())
	g.must(err)
	want := partition.Journal{State: j.State, Flight: j.Flight, UntilMS: j.UntilMS, Held: j.Held, Try: j.Try}
	if diff := cmp.Diff(want, head()); diff != "" {
		g.Errorf("the head's journal of %s (-want +got):\n%s", id, diff)
	}
	return j
}

func TestTheJournalTellsWhatHappenedToAnEnvelope(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		before := time.Now().Add(-time.Second)
		id, parked := g.admit("r"), g.admit("r", `"priority":"critical"`)
		j := g.journal(id)
		if j.State != "pending" || !j.Runnable || j.PendingSince.Before(before) || j.HeadState() != partition.HeadPending {
			g.Errorf("admitted: %+v", j)
		}
		if diff := cmp.Diff(partition.Journal{State: "scheduled", Critical: true}, g.journal(parked)); diff != "" {
			g.Errorf("parked (-want +got):\n%s", diff)
		}

		g.take(id, "one")
		if j = g.journal(id); j.State != "active" || j.Flight != "one1" || j.Try != 1 || j.FirstMS < before.UnixMilli() {
			g.Errorf("taken: %+v", j)
		}
		queued := int64(7)
		progress := partition.Progress{Done: 1, IDs: []string{"m1"}, Doubled: true, Throttled: 2, QueuedMS: &queued}
		g.suspend(id, "one1", partition.Suspension{Wait: time.Hour, Progress: progress.Encode(), Ambiguous: true, What: "timeout"})
		j = g.journal(id)
		if !j.Reported || !j.Ambiguous || j.Flight != "" || j.UntilMS < time.Now().Add(59*time.Minute).UnixMilli() {
			g.Errorf("suspended: %+v", j)
		}
		if diff := cmp.Diff(progress, j.Progress); diff != "" {
			g.Errorf("its progress (-want +got):\n%s", diff)
		}
		if len(j.Attempts) != 1 || j.Attempts[0].Try != 1 || j.Attempts[0].What != "timeout" || j.Attempts[0].AtMS < before.UnixMilli() {
			g.Errorf("its attempts: %+v", j.Attempts)
		}

		g.do("HDEL", g.keys.Task(id), "og_until")
		g.mark(id, "r", "two")
		g.mark(id, "r", "three") // the second never reported
		if j = g.journal(id); j.Crashes != 1 || j.Try != 3 || len(j.Attempts) != 2 || j.Attempts[1].What != partition.CutOff {
			g.Errorf("cut off: %+v", j)
		}
		g.finish(id, "r", "three", partition.Hold)
		if j = g.journal(id); j.State != "archived" || !j.Held || j.HeadState() != partition.HeadHeld {
			g.Errorf("held: %+v", j)
		}
		if diff := cmp.Diff(partition.Journal{}, g.journal("000-0000000000000001")); diff != "" {
			g.Errorf("of none (-want +got):\n%s", diff)
		}
	})
}

func TestTheHeadsStateIsGoneIfItsTaskIsNoHeads(t *testing.T) {
	for state, want := range map[string]partition.HeadState{
		"": partition.HeadGone, "scheduled": partition.HeadGone, "archived": partition.HeadGone, "completed": partition.HeadGone,
		"active": partition.HeadActive, "retry": partition.HeadRetry,
	} {
		if got := (partition.Journal{State: state}).HeadState(); got != want {
			t.Errorf("of a task that is %q: %s, want %s", state, got, want)
		}
	}
}

func TestProgressKeepsItsIDsIfItsResultIsNoJSON(t *testing.T) {
	p := partition.Progress{Done: 1, IDs: []string{"m1"}, Result: map[string]any{"f": func() {}}}
	if got, want := p.Encode(), `{"done":1,"ids":["m1"]}`; got != want {
		t.Errorf("Encode() = %s, want %s", got, want)
	}
	if p, err := partition.ParseProgress("{"); err == nil {
		t.Errorf("half a progress is read as %+v", p)
	}
}

func TestWhatIsNoAttemptIsLeftOut(t *testing.T) {
	got := partition.ParseAttempts("1700000000000 1 timeout;x;2 y timeout;;1700000000001 2 cut_off;17")
	want := []partition.Attempt{{AtMS: 1700000000000, Try: 1, What: "timeout"}, {AtMS: 1700000000001, Try: 2, What: partition.CutOff}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestTheJournalHasEveryFieldThatAScriptUses(t *testing.T) {
	field, used := regexp.MustCompile(`og_[a-z]+`), map[string]bool{}
	for _, folder := range []string{".", "lua", "../tasks"} {
		files, err := fs.Glob(os.DirFS(folder), "*.lua")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := fs.ReadFile(os.DirFS(folder), name)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range field.FindAllString(string(text), -1) {
				used[name] = true
			}
		}
	}
	known := partition.TaskFields()
	for name := range used {
		if !slices.Contains(known, name) {
			t.Errorf("a script uses %s, which TaskFields has not", name)
		}
	}
	for _, name := range known {
		if field.MatchString(name) && !used[name] {
			t.Errorf("TaskFields has %s, which no script uses", name)
		}
	}
}

func TestAKeyIsFoundBeforeAndAfterItsEnvelopeIsSettled(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		find := func(key string) string {
			id, err := partition.FindKey(g.Context(), g.rdb, g.keys, partition.KeyHash("tg:r", key))
			g.must(err)
			return id
		}
		id := g.admit("r", `"idempotency_key":"k"`)
		g.want("waiting", find("k"), id)
		s := settlement(id, partition.Done)
		s.KeyHash, s.Fingerprint, s.Window = partition.KeyHash("tg:r", "k"), "f", time.Hour
		g.mark(id, "r", "one")
		_, err := g.lines.Finish(g.Context(), id, line("r"), "one", s)
		g.must(err)
		g.want("settled", find("k"), id)
		g.want("another", find("other"), "")
	})
}

func TestADeadLetterIsReadAsItWasWritten(t *testing.T) {
	onBothBackends(t, func(g *gateway) {
		id := g.admit("r")
		g.mark(id, "r", "one")
		g.finish(id, "r", "one", partition.Dead)
		g.do("HSET", g.keys.DeadLetter(id), "replayed_as", "000-000000000000001f")
		pipe := g.rdb.Pipeline()
		there := partition.AskDeadLetter(g.Context(), pipe, g.keys, id)
		none := partition.AskDeadLetter(g.Context(), pipe, g.keys, "000-0000000000000001")
		short := partition.AskReplayed(g.Context(), pipe, g.keys, id)
		shortNone := partition.AskReplayed(g.Context(), pipe, g.keys, "000-0000000000000001")
		_, err := pipe.Exec(g.Context())
		g.must(err)
		want := partition.DeadLetterRecord{Found: true, JSON: `{"letter":"` + id + `"}`, ReplayedAs: "000-000000000000001f"}
		if got := there(); got != want {
			g.Errorf("got %+v, want %+v", got, want)
		}
		want.JSON = ""
		if got := short(); got != want {
			g.Errorf("without the record: got %+v, want %+v", got, want)
		}
		for _, got := range []partition.DeadLetterRecord{none(), shortNone()} {
			if got != (partition.DeadLetterRecord{}) {
				g.Errorf("of none: got %+v", got)
			}
		}
	})
}
