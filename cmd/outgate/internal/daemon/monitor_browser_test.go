package daemon_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/daemon/daemontest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/page/chromium"
)

func TestAsynqmonInABrowser(t *testing.T) {
	b := chromium.New(t)
	d := daemontest.Start(t, "partitions: {count: 4}\n"+
		"bridges: [{id: b, channel: sandbox, delivery: {base_backoff: 30s, max_backoff: 30s}}]\n")
	k := d.Keys(d.Enqueue(gatewaytest.Scripted("b", "r1", "a secret", `{"fail":"retryable"}`)).Partition)
	gatewaytest.Until(t, "it waits for its next attempt", func() bool { return d.Redis.ZCard(t.Context(), k.Asynq("retry")).Val() == 1 })

	b.Look(1400, 900, "light")
	queues, tasksOf := d.URL+"/asynqmon/", d.URL+"/asynqmon/queues/"+k.Queue+"?status=retry"
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
		d.Redis.Do(t.Context(), "ZADD", k.Asynq(set), 1, "broken")
	}
	gatewaytest.Until(t, "the sweeper has taken it out", func() bool {
		_, missing := d.Redis.ZScore(t.Context(), k.Asynq("retry"), "broken").Result()
		return missing != nil
	})
	b.Visit(tasksOf)
	b.Shows("table", "a text of 8 bytes")
	b.Visit(queues)
	b.Shows("table", k.Queue)
}
