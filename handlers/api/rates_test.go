package api_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/api"
)

// counted is how far the counters are.
type counted struct{ admitted, duplicates, settled, failed int }

func TestRatesAreOverTheLastTenSeconds(t *testing.T) {
	g := newGateway(t, 1)
	start := time.Now()
	now := start
	ops := api.New(api.Config{Redis: g.Redis, Scheme: g.Config.Scheme, Now: func() time.Time { return now }})
	t.Cleanup(ops.Close)
	k := g.Keys(0)
	for _, step := range []struct {
		at   time.Duration
		is   counted
		want []float64 // admitted, duplicates, failed, delivered; nil until they are known
	}{
		{0, counted{100, 0, 90, 10}, nil},
		{2 * time.Second, counted{120, 0, 100, 10}, nil},
		{10 * time.Second, counted{200, 5, 190, 20}, []float64{10, 0.5, 1, 9}},
		// The first is older than ten seconds by now, and so is not compared with.
		{20 * time.Second, counted{280, 5, 190, 20}, []float64{8, 0, 0, 0}},
		{30 * time.Second, counted{}, nil}, // Redis was emptied
	} {
		now = start.Add(step.at)
		pipe := g.Redis.Pipeline()
		pipe.HSet(t.Context(), k.State(), "enqueued:send:normal", step.is.admitted, "duplicates", step.is.duplicates)
		pipe.Set(t.Context(), k.Asynq("processed"), step.is.settled, 0)
		pipe.Set(t.Context(), k.Asynq("failed"), step.is.failed, 0)
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		o, err := ops.Overview(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if is := (counted{int(o.Admitted), int(o.Duplicates), int(o.Settled), int(o.Failed)}); is != step.is {
			t.Errorf("at %s it counts %+v, want %+v", step.at, is, step.is)
		}
		var got []float64
		for _, rate := range []*float64{o.AdmittedPerS, o.DuplicatesPerS, o.FailedPerS, o.DeliveredPerS} {
			if rate != nil {
				got = append(got, *rate)
			}
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", step.at, diff)
		}
	}
}
