package daemon_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/daemon/daemontest"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/page/chromium"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

func TestAsynqmonInABrowser(t *testing.T) {
	b := chromium.New(t)
	store := redistest.Start(t)
	rdb := store.Client()
	config := filepath.Join(t.TempDir(), "outgate.yaml")
	outgatetest.WriteFile(t, config, fmt.Sprintf("redis: {url: %q}\nhttp: {addr: \"127.0.0.1:0\"}\npartitions: {count: 4}\n"+
		"bridges: [{id: b, channel: sandbox, delivery: {base_backoff: 30s, max_backoff: 30s}}]\n", store.URL()))
	worker := daemontest.Serve(t, config)
	worker.Logs(t, "worker.started")
	client := tasks.NewClient(rdb)
	t.Cleanup(func() { _ = client.Close() })
	r, err := client.Enqueue(t.Context(), outgatetest.Text("b", "r1", "a secret", `{"sandbox":{"fail":"retryable"}}`))
	if err != nil {
		t.Fatal(err)
	}
	k := partition.Keys{Queue: partition.Scheme{Namespace: "outbound"}.Queue(r.Partition)}
	outgatetest.Eventually(t, "it waits for its next attempt", func() bool { return rdb.ZCard(t.Context(), k.Asynq("retry")).Val() == 1 })

	b.Look(1400, 900, "light")
	queues, tasksOf := worker.Address(t)+"/asynqmon/", worker.Address(t)+"/asynqmon/queues/"+k.Queue+"?status=retry"
	b.Visit(queues)
	b.Shows("table", k.Queue)
	b.Shoot("asynqmon-queues")
	// Its page names fonts of another origin, and shows all the same.
	if got := b.Eval(`fetch(location.href).then((r) => r.headers.get("content-security-policy") ?? "")`); !strings.HasPrefix(got, "default-src 'self';") {
		t.Errorf("its policy is %q", got)
	}
	b.Visit(tasksOf)
	b.Shows("table", "a text of 8 bytes")
	b.Shoot("asynqmon-tasks")
	if got := b.Eval("document.body.innerText"); strings.Contains(got, "secret") {
		t.Errorf("it shows what a message says:\n%s", got)
	}
	if got := b.Eval(`[...document.querySelectorAll("button")].map((n) => n.ariaLabel || n.innerText).join(", ")`); strings.Contains(strings.ToLower(got), "delete") {
		t.Errorf("pages that only look have %s", got)
	}

	// An id without a task makes asynq's scripts fail, and this page says no more than that.
	for _, set := range []string{"retry", "archived"} {
		rdb.Do(t.Context(), "ZADD", k.Asynq(set), 1, "broken")
	}
	outgatetest.Eventually(t, "the sweeper has taken it out", func() bool {
		_, missing := rdb.ZScore(t.Context(), k.Asynq("retry"), "broken").Result()
		return missing != nil
	})
	b.Visit(tasksOf)
	b.Shows("table", "a text of 8 bytes")
	b.Visit(queues)
	b.Shows("table", k.Queue)
}
