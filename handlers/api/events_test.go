package api_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/ops"
)

func TestWhatOperatorsDoIsAmongTheEvents(t *testing.T) {
	g := newGateway(t, 1, bridge("sb"))
	g.Work()
	g.dead("sb", 3, 1, `{"fail":"terminal"}`)
	post[api.Bridge](g, "/bridges/sb/suspend", `{"reason":"maintenance"}`, 200)
	post[api.Bridge](g, "/bridges/sb/resume", ``, 200)
	j := post[api.Job](g, "/dead-letters/replay", `{"filter":{"reason":"rejected","partition":0},"per_second":100}`, http.StatusAccepted)
	until(t, "the job is done", func() bool { return g.job(j.ID).State == "done" })
	var got []string
	until(t, "its end is told", func() bool {
		got = nil
		for _, e := range get[api.Events](g, "/events").Events {
			if age := time.Since(time.UnixMilli(e.AtMS)); age.Abs() > time.Hour {
				t.Errorf("%+v is %s old", e, age)
			}
			if e.What != ops.WorkerJoined {
				got = append(got, fmt.Sprintf("%s %s by %s: %s", e.What, e.About, e.By, e.Text))
			}
		}
		return len(got) == 4
	})
	want := []string{
		"dead_letters.replay reason rejected, partition 0 by operator: done, 3 of 3",
		"dead_letters.replay reason rejected, partition 0 by operator: begins, 100 a second",
		"bridge.resumed sb by operator: ",
		"bridge.suspended sb by operator: maintenance",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := get[api.Events](g, "/events?limit=2").Events; len(got) != 2 || got[0].Text != "done, 3 of 3" {
		t.Errorf("%+v", got)
	}
	for _, query := range []string{"?limit=0", "?limit=501", "?bridge=sb"} {
		ask[any](g, "GET", "/events"+query, "", http.StatusBadRequest)
	}
	if status, text := request(t, "GET", g.url+api.Root+"/events", ""); status != 200 || strings.Contains(string(text), "secret") {
		t.Errorf("%d %s", status, text)
	}
}

func TestABridgeTellsHowOftenItWasToldToSlowDown(t *testing.T) {
	g := newGateway(t, 1, bridge("sb"), bridge("other"))
	g.Work()
	g.Outcomes(g.EnqueueBatch(send("sb", "a", `{"throttle_ms":1,"times":1}`), send("sb", "b", ""), send("other", "c", ""))...)
	want := []ops.RecentAttempts{{Attempts: 1}, {Attempts: 3, RateLimited: 1}}
	until(t, "the worker has told what it counted", func() bool {
		var got []ops.RecentAttempts
		for _, b := range get[api.Bridges](g, "/bridges").Bridges {
			got = append(got, b.Recent)
		}
		return cmp.Equal(want, got)
	})
}

func TestAScalerIsGivenTheFigureBeforeItIsRounded(t *testing.T) {
	g := newGateway(t, 2, bridge("sb"))
	for i := range 40 {
		g.Enqueue(send("sb", fmt.Sprint(i), ""))
	}
	need, err := g.api.Need(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := get[api.Autoscale](g, "/autoscale")
	if need.Exact <= 0 || math.Abs(got.RequiredWorkersExact-need.Exact) > .001 || got.RequiredWorkers != need.Workers {
		t.Errorf("%+v, needed are %+v", got, need)
	}
}
