package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// gatewayUp is a daemon on a Redis of its own, and a client of it.
type gatewayUp struct {
	*process
	file   string
	rdb    *redis.Client
	client *tasks.Client
}

// served starts a daemon with these bridges.
func served(t *testing.T, bridges string) *gatewayUp {
	t.Helper()
	store, file := redistest.Start(t), t.TempDir()+"/outgate.yaml"
	writeFile(t, file, fmt.Sprintf("redis: {url: %q}\nhttp: {addr: \"127.0.0.1:0\"}\npartitions: {count: 2}\n"+
		"delivery: {base_backoff: 10ms}\nbridges: [%s]\n", store.URL(), bridges))
	d := &gatewayUp{process: startDaemon(t, file), file: file, rdb: store.Client()}
	d.client = tasks.NewClient(d.rdb)
	t.Cleanup(func() { _ = d.client.Close() })
	return d
}

func TestReadingTheBridgesAnewIsCounted(t *testing.T) {
	d := served(t, "{id: b, channel: sandbox}")
	d.logs(t, "worker.started")
	at := d.address(t)
	counted := func(line string) {
		eventually(t, "it says "+line, func() bool {
			_, metrics := getPage(t, "GET", at+"/metrics")
			return strings.Contains(metrics, line+"\n")
		})
	}
	counted(`outgate_config_reloads_total{result="ok"} 0`)
	d.hangup <- syscall.SIGHUP
	counted(`outgate_config_reloads_total{result="ok"} 1`)
	if err := os.WriteFile(d.file, []byte("bridges: nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.hangup <- syscall.SIGHUP
	counted(`outgate_config_reloads_total{result="failed"} 1`)
	counted(`outgate_config_reloads_total{result="ok"} 1`)
}
