package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/ledger"
)

func TestTextCarriesTheNumber(t *testing.T) {
	for _, seq := range []int{1, 42, ledger.MaxSeq} {
		for _, padding := range []string{"", " ", " and then some"} {
			if got, ok := ledger.ParseSeq(ledger.Text(seq) + padding); !ok || got != seq {
				t.Errorf("ParseSeq(%q) = %d, %v; want %d, true", ledger.Text(seq)+padding, got, ok, seq)
			}
		}
	}
	for _, text := range []string{"", "hello", "seq=", "seq=0", "seq=-1", "seq=01", "seq=+1", "seq=1x", "seq= 1", "seq=10000001"} {
		if got, ok := ledger.ParseSeq(text); ok {
			t.Errorf("ParseSeq(%q) = %d, want none", text, got)
		}
	}
}

func TestSpanRecordsBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledger.New()
		begun := time.Now()
		first := l.Begin("tg:1", 1, "a", 1)
		<-time.After(time.Second)
		first.End(false)
		second := l.Begin("tg:1", 1, "a", 2)
		<-time.After(time.Second)
		second.EndHung(true)
		l.Begin("tg:0", 7, "b", 1)

		want := []ledger.Record{
			{Room: "tg:0", Seq: 7, ID: "b", Attempt: 1, Start: begun.Add(2 * time.Second)},
			{Room: "tg:1", Seq: 1, ID: "a", Attempt: 1, Start: begun, End: begun.Add(time.Second)},
			{
				Room: "tg:1", Seq: 1, ID: "a", Attempt: 2, Accepted: true, Hung: true,
				Start: begun.Add(time.Second), End: begun.Add(2 * time.Second),
			},
		}
		if diff := cmp.Diff(want, l.Records()); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}

func TestDeliveredCountsEachEnvelopeOnce(t *testing.T) {
	l := history(refused(1, 0, 1), took(1, 1, 2), took(1, 3, 4), took(200, 5, 6), took(0, 7, 8), took(ledger.MaxSeq+1, 8, 9), inFlight(3, 9))
	if got := l.Delivered(); got != 2 {
		t.Errorf("Delivered() = %d, want 2", got)
	}
}

func TestWaitReturnsWhenEnoughAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledger.New()
		go func() {
			for seq := 1; seq <= 3; seq++ {
				<-time.After(time.Minute)
				l.Begin("tg:1", seq, "x", 1).End(true)
			}
		}()
		if err := l.Wait(t.Context(), 3); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := l.Wait(ctx, 4)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "got 3 deliveries, want 4") {
			t.Errorf("Wait(4) = %v, want a deadline that says: got 3 deliveries, want 4", err)
		}
	})
}

func TestManyReceiversShareALedger(t *testing.T) {
	l := ledger.New()
	expect := ledger.Expect{Rooms: make(map[string]int)}
	var wg sync.WaitGroup
	for i := range 20 {
		room := fmt.Sprintf("tg:%d", i)
		expect.Rooms[room] = 50
		wg.Go(func() {
			for seq := 1; seq <= 50; seq++ {
				l.Begin(room, seq, ledger.Text(seq), 1).End(true)
			}
		})
	}
	wg.Wait()
	if report := l.Check(expect); !report.OK() || report.Delivered != 1000 || l.Delivered() != 1000 {
		t.Errorf("got %d deliveries, err %v; want 1000 and no error", report.Delivered, report.Err())
	}
}

// legal makes a history of a gateway that keeps its promises, and the Expect for it.
func legal(rng *rand.Rand) ([]ledger.Record, ledger.Expect) {
	const given, ambiguous = "given-up", "ambiguous"
	fate := make(map[string]string)
	key := func(room string, seq int) string { return fmt.Sprintf("%s/%d", room, seq) }
	expect := ledger.Expect{
		Rooms:     make(map[string]int),
		GivenUp:   func(room string, seq int) bool { return fate[key(room, seq)] == given },
		Ambiguous: func(id string) bool { return fate[id] == ambiguous },
	}
	var records []ledger.Record
	for r := range 1 + rng.IntN(4) {
		room := fmt.Sprintf("tg:%d", r)
		now, n := rng.IntN(100), rng.IntN(30)
		expect.Rooms[room] = n
		for seq := 1; seq <= n; seq++ {
			attempt := 0
			try := func(accepted, hang bool) {
				attempt++
				now += rng.IntN(5)
				start := now
				now += 1 + rng.IntN(50) // no two begin at the same instant
				end := now
				if hang {
					end += rng.IntN(int(ledger.HangSlack/time.Millisecond) + 1)
				}
				records = append(records, ledger.Record{
					Room: room, Seq: seq, ID: key(room, seq), Attempt: attempt,
					Start: at(start), End: at(end), Accepted: accepted, Hung: hang,
				})
			}
			for range rng.IntN(3) {
				try(false, false)
			}
			switch rng.IntN(4) {
			case 0:
				fate[key(room, seq)] = given
			case 1:
				fate[key(room, seq)] = ambiguous
				try(true, true)
				try(true, false)
			default:
				try(true, false)
			}
		}
	}
	rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	return records, expect
}

func TestAnyLegalHistoryPasses(t *testing.T) {
	for seed := range uint64(500) {
		records, expect := legal(rand.New(rand.NewPCG(seed, 1)))
		if report := history(records...).Check(expect); !report.OK() {
			t.Fatalf("seed %d: got %v, want no fault", seed, report.Err())
		}
	}
}

func TestALegalHistoryWithOneDeliveryTakenOutFails(t *testing.T) {
	tried := 0
	for seed := range uint64(200) {
		records, expect := legal(rand.New(rand.NewPCG(seed, 2)))
		for i, rec := range records {
			if !rec.Accepted || expect.Ambiguous(rec.ID) {
				continue
			}
			tried++
			rest := append(append([]ledger.Record{}, records[:i]...), records[i+1:]...)
			report := history(rest...).Check(expect)
			want := []ledger.Place{{Room: rec.Room, Seq: rec.Seq}}
			if diff := cmp.Diff(want, report.Lost); diff != "" {
				t.Fatalf("seed %d: lost (-want +got):\n%s", seed, diff)
			}
			break
		}
	}
	if tried < 100 {
		t.Errorf("got %d histories with a delivery to take out, want 100", tried)
	}
}

func BenchmarkBeginEnd(b *testing.B) {
	rooms := make([]string, 1000)
	for i := range rooms {
		rooms[i] = fmt.Sprintf("tg:%d", i)
	}
	l := ledger.New()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			l.Begin(rooms[i%len(rooms)], i/len(rooms)+1, "id", 1).End(true)
		}
	})
}
