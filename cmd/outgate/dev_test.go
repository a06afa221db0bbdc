package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/tasks"
)

func TestDev(t *testing.T) {
	p := world{}.start(t, "dev", "--addr", "127.0.0.1:0", "--redis-addr", "127.0.0.1:0")
	gatewaytest.Until(t, "it says how to continue", func() bool { return strings.Contains(p.Out.String(), "Ctrl-C stops it.\n") })
	out := p.Out.String()
	for _, want := range []string{
		"send a text\n", `send        "Good morning! Your parcel is on its way."  sb-1`, "  delivered as sb-1 after ",
		`edit        "Good morning! Your parcel arrives today."  sb-1`,
		`send_media  image "https://example.com/map.png" "where it is"  sb-2`,
		`edit_media  image "https://example.com/door.png" "it is at your door"  sb-2`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("got no %s in:\n%s", want, out)
		}
	}
	address := regexp.MustCompile(`OUTGATE_REDIS_URL=(\S+)`).FindStringSubmatch(out)[1]
	pages := regexp.MustCompile(`Pages: (\S+)`).FindStringSubmatch(out)[1]
	command := regexp.MustCompile(`redis-cli -p \d+ EVALSHA (\S+) 1 '(\S+)' '(.+)'\n`).FindStringSubmatch(out)

	w := world{env: map[string]string{"OUTGATE_REDIS_URL": address}}
	if got := w.run(t, "send", "--bridge", "sandbox", "--room", "lobby", "--wait", "hello"); got.Code != 0 {
		t.Errorf("got %+v, want status 0", got)
	}
	rdb, err := config.NewRedis(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rdb.Close() }()
	answer, err := rdb.EvalSha(t.Context(), command[1], []string{command[2]}, command[3]).Text()
	var receipt tasks.Receipt
	if err != nil || json.Unmarshal([]byte(answer), &receipt) != nil || receipt.Status != tasks.Accepted {
		t.Errorf("got %s (%v), want an accepted receipt", answer, err)
	}
	gatewaytest.Until(t, "it is delivered", func() bool { return strings.Contains(p.Out.String(), `send        "hello from Redis"`) })
	code, kept := outgatetest.Get(t, "GET", pages+"sandbox")
	if code != 200 || strings.Count(kept, `"message_id":"sb-`) != 6 || !strings.Contains(kept, `"text":"Good morning! Your parcel arrives today."`) {
		t.Errorf("got %d %s, want 200 and six deliveries", code, kept)
	}
	if _, metrics := outgatetest.Get(t, "GET", pages+"metrics"); !strings.Contains(metrics, "outgate_enqueue_seconds_count 4") {
		t.Error("got no outgate_enqueue_seconds_count 4 in the metrics, want the enqueues of the tour")
	}
	if code, _ := outgatetest.Get(t, "GET", pages+"asynqmon/api/queues"); code != 200 {
		t.Errorf("asynqmon: got %d, want 200", code)
	}
	if code, index := outgatetest.Get(t, "GET", pages); code != 200 || !strings.Contains(index, "Queues and tasks") {
		t.Errorf("got %d %s, want 200 and the page", code, index)
	}

	port := strings.TrimSuffix(strings.TrimPrefix(address, "redis://"), "/0")
	got := world{}.run(t, "dev", "--addr", "127.0.0.1:0", "--redis-addr", port)
	if got.Code != 1 || got.Err != "outgate: "+port+" is in use: stop the program that listens there, or choose another address with --redis-addr\n" {
		t.Errorf("the port twice: got %+v, want status 1, error %q", got, "outgate: "+port+" is in use: stop the program that listens there, or choose another address with --redis-addr\n")
	}
	got = world{}.run(t, "dev", "--redis-addr", "127.0.0.1:0", "--addr", strings.TrimSuffix(strings.TrimPrefix(pages, "http://"), "/"))
	if got.Code != 1 || !strings.Contains(got.Err, " is in use: stop the program that listens there, or choose another address with --addr") {
		t.Errorf("the port of the pages twice: got %+v, want status 1, error with %q", got, " is in use: stop the program that listens there, or choose another address with --addr")
	}
	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 || got.Err != "" {
		t.Errorf("got %+v, want status 0, no error", got)
	}
}

func TestDevWithoutTheTour(t *testing.T) {
	p := world{}.start(t, "dev", "--addr", "127.0.0.1:0", "--redis-addr", "127.0.0.1:0", "--no-tour")
	gatewaytest.Until(t, "it says how to continue", func() bool { return strings.Contains(p.Out.String(), "Ctrl-C stops it.\n") })
	if strings.Contains(p.Out.String(), "tour") {
		t.Errorf("got a tour, want none:\n%s", p.Out.String())
	}
	p.Interrupt()
	if got := p.Wait(t); got.Code != 0 {
		t.Errorf("got %+v, want status 0", got)
	}
}
