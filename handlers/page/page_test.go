package page_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// load gets a path of the gateway; took is how long the answer needed.
func (g *gateway) load(path string) (r *http.Response, body string, took time.Duration) {
	g.T.Helper()
	began := time.Now()
	r, err := http.Get(g.url + path)
	if err != nil {
		g.T.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		g.T.Fatal(err)
	}
	return r, string(text), time.Since(began)
}

func TestThePageIsRenderedWithoutItsScript(t *testing.T) {
	g := newGateway(t, 4, bridge("orders", limited("50/1s")), bridge("held", holding))
	g.Work()
	g.Outcome(g.Enqueue(send("orders", "<b>x</b>", `{"fail":"terminal"}`)))
	g.EnqueueBatch(send("held", "<i>", `{"fail":"terminal"}`), send("held", "<i>", ""))
	var text string
	gatewaytest.Until(t, "the page shows the held head", func() bool {
		g.ahead.Add(int64(2 * time.Second))
		_, text, _ = g.load("/")
		return strings.Contains(text, "an operator: on hold")
	})
	for _, want := range []string{" of 50/1s", "400 Bad Request", `data-state="blocked"`, "held:&lt;i&gt;", "v1.2.3"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Contains(text, "<i>") || strings.Contains(text, "secret") {
		t.Error("the page contains unescaped input or a message's text")
	}
}

func TestThePageLoadsNothingFromOtherHosts(t *testing.T) {
	g := newGateway(t, 4)
	r, text, _ := g.load("/")
	if got := r.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'self';") || strings.Contains(got, "unsafe") {
		t.Errorf("got Content-Security-Policy %q, want default-src 'self' and nothing unsafe", got)
	}
	size := len(text)
	if regexp.MustCompile(`(?i)https?://|style=|\son[a-z]+=|javascript:`).MatchString(text) {
		t.Error("got an absolute URL, an inline style or an inline handler in the page, want none")
	}
	for _, asset := range regexp.MustCompile(`assets/[a-z.]+\?[0-9a-f]+`).FindAllString(text, -1) {
		r, content, _ := g.load("/" + asset)
		size += len(content)
		if r.StatusCode != 200 || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got %s with headers %v, want 200, immutable and nosniff", asset, r.Status, r.Header)
		}
		if strings.Contains(strings.ReplaceAll(content, "http://www.w3.org/2000/svg", ""), "://") {
			t.Errorf("got an absolute URL in %s, want none", asset)
		}
	}
	if r, _, _ := g.load("/assets/render.js"); r.Header.Get("Cache-Control") != "no-cache" || r.Header.Get("ETag") == "" {
		t.Errorf("an asset without its hash: got headers %v, want no-cache and an ETag", r.Header)
	}
	for _, path := range []string{"/assets/", "/assets/../page.go", "/nothing"} {
		if r, _, _ := g.load(path); r.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %s, want 404", path, r.Status)
		}
	}
	t.Logf("the page of 4 partitions, with its assets but render.js: %d bytes", size)
}

func TestThePageComesUpWithoutRedis(t *testing.T) {
	g := newGateway(t, 4)
	if err := g.Redis.Close(); err != nil {
		t.Fatal(err)
	}
	r, text, _ := g.load("/")
	if r.StatusCode != 200 || !strings.Contains(text, `role="alert">Redis does not answer`) || !strings.Contains(text, `class="stale unknown"`) {
		t.Errorf("got %s, want 200 and an alert that Redis does not answer:\n%s", r.Status, text)
	}
}

// fillUp puts lines and dead letters into all partitions.
func (g *gateway) fillUp(rooms, letters int) {
	g.T.Helper()
	const batch = 5000
	for start := 0; start < rooms; start += batch {
		envelopes := make([]tasks.Envelope, min(batch, rooms-start))
		for i := range envelopes {
			envelopes[i] = send("orders", fmt.Sprintf("room-%d", start+i), "")
		}
		g.EnqueueBatch(envelopes...)
	}
	reasons := []classify.Reason{classify.ReasonRejected, classify.ReasonTimeout, classify.ReasonUnauthorized, classify.ReasonNotFound}
	envelope, _ := json.Marshal(send("orders", "a", ""))
	pipe, now := g.Redis.Pipeline(), time.Now()
	for i := range letters {
		index := i % g.Config.Scheme.Count
		at := now.Add(-time.Duration(rand.IntN(3600_000)) * time.Millisecond)
		d := ops.DeadLetter{
			ID: fmt.Sprintf("%03d-%016x", index, at.UnixMicro()+int64(i)), BridgeID: "orders", ExternalRoomID: "a", Operation: tasks.Send,
			Category: classify.Terminal, Reason: reasons[i%len(reasons)], DiedAtMS: at.UnixMilli(), Line: "orders:a", Envelope: envelope,
			Outcome: &tasks.OutboundError{Provider: classify.Provider{Status: 400, Message: "Bad Request"}},
		}
		record, _ := json.Marshal(d)
		k := g.Keys(index)
		pipe.HSet(context.Background(), k.DeadLetter(d.ID), "record", record)
		pipe.Do(context.Background(), "ZADD", k.Dead(), d.DiedAtMS, d.ID)
		if pipe.Len() >= 2*batch || i == letters-1 {
			if _, err := pipe.Exec(context.Background()); err != nil {
				g.T.Fatal(err)
			}
		}
	}
}

// TestThePageIsSmallAtScale measures the page and every poll of its script, without the
// cache, with 100,000 rooms and 100,000 dead letters in 256 partitions. It logs the
// times and does not check them: they depend on the machine.
func TestThePageIsSmallAtScale(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a Redis with 200,000 records")
	}
	const rooms, letters = 100_000, 100_000
	g := newGateway(t, 256, bridge("orders", limited("50/1s")), bridge("other"))
	g.fillUp(rooms, letters)
	for range 500 {
		e := ops.Event{What: ops.BridgeSuspended, About: "orders", By: "gateway", Text: strings.Repeat("unauthorized ", 30)}
		if err := ops.Tell(t.Context(), g.Redis, e); err != nil {
			t.Fatal(err)
		}
	}
	paths := []string{
		"/", "/api/v1/overview", "/api/v1/partitions", "/api/v1/bridges", "/api/v1/rooms?limit=15", "/api/v1/rooms?limit=500",
		"/api/v1/rooms?partition=7", "/api/v1/dead-letters", "/api/v1/dead-letters?reason=timeout&limit=500", "/api/v1/dead-letters/groups",
		"/api/v1/autoscale", "/api/v1/events?limit=20", "/api/v1/events?limit=500",
	}
	took := make(map[string][]time.Duration)
	for range 15 {
		for _, path := range paths {
			g.ahead.Add(int64(2 * time.Second))
			r, text, d := g.load(path)
			if r.StatusCode != 200 {
				t.Fatalf("%s: got %s, want 200: %s", path, r.Status, text)
			}
			if len(text) > 200_000 && !strings.Contains(path, "limit=500") {
				t.Errorf("%s: got %d bytes, want at most 200,000", path, len(text))
			}
			took[path] = append(took[path], d)
		}
	}
	for _, path := range paths {
		first, all := took[path][0], slices.Sorted(slices.Values(took[path]))
		median := all[len(all)/2]
		_, text, _ := g.load(path)
		t.Logf("%-46s %4d ms, first %4d ms, worst %4d ms, %6d bytes", path, median.Milliseconds(), first.Milliseconds(), all[len(all)-1].Milliseconds(), len(text))
	}
	g.checkScale(rooms, letters)
	g.logCost()
}

// logCost logs how much processor time of Redis one open page costs.
func (g *gateway) logCost() {
	g.T.Helper()
	const rounds = 10
	before := g.cpu()
	for range rounds {
		g.ahead.Add(int64(2 * time.Second))
		for _, path := range []string{"overview", "partitions", "bridges", "rooms?limit=15", "dead-letters/groups", "jobs", "events?limit=20"} {
			g.load("/api/v1/" + path)
		}
	}
	g.T.Logf("one page's polls cost Redis %.1f ms of processor time each two seconds", 1000*(g.cpu()-before)/rounds)
}

// cpu is the processor time of Redis in seconds.
func (g *gateway) cpu() (seconds float64) {
	g.T.Helper()
	info := g.Redis.Info(g.T.Context(), "cpu").Val()
	for _, m := range regexp.MustCompile(`used_cpu_(?:user|sys):([0-9.]+)`).FindAllStringSubmatch(info, -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			g.T.Fatal(err)
		}
		seconds += n
	}
	return seconds
}

// checkScale checks what the API answers about so many rooms and dead letters.
func (g *gateway) checkScale(rooms, letters int64) {
	g.T.Helper()
	var found api.Rooms
	_, text, _ := g.load("/api/v1/rooms?limit=15")
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		g.T.Fatal(err)
	}
	if found.Total != rooms || found.LookedAt != rooms || len(found.Rooms) != 15 {
		g.T.Errorf("got %d rooms, %d of %d examined, want 15 and all %d", len(found.Rooms), found.LookedAt, found.Total, rooms)
	}
	heads, err := partition.Rooms(g.T.Context(), g.Redis, g.Config.Scheme, partition.RoomsQuery{Limit: 15, ByAge: true})
	if err != nil {
		g.T.Fatal(err)
	}
	for i, r := range heads { // a full scan finds heads as old, to the millisecond
		want, _ := partition.AdmittedAt(r.Head)
		got, _ := partition.AdmittedAt(found.Rooms[i].Head)
		if got.Sub(want).Abs() > time.Millisecond {
			g.T.Errorf("oldest room %d: got a head of %s, want one of %s", i, got, want)
		}
	}
	var groups api.Groups
	_, text, _ = g.load("/api/v1/dead-letters/groups")
	if err := json.Unmarshal([]byte(text), &groups); err != nil {
		g.T.Fatal(err)
	}
	if groups.Total != letters || !groups.Complete || len(groups.Groups) != 4 || groups.LookedAt < 9_000 || groups.LookedAt > 10_000 {
		g.T.Errorf("got %d groups, %d of %d dead letters counted, complete %v; want 4 groups, 9,000 to 10,000 of %d, complete", len(groups.Groups), groups.LookedAt, groups.Total, groups.Complete, letters)
	}
}
