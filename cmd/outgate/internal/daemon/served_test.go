package daemon_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/outgate/outgate/cmd/outgate/internal/daemon/daemontest"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

func TestMain(m *testing.M) {
	logging.Disable()
	m.Run()
}

// served is a daemon on a Redis of its own, and a client of it.
type served struct {
	*outgatetest.Process
	file   string
	rdb    *redis.Client
	client *tasks.Client
}

// serve starts a daemon with these bridges.
func serve(t *testing.T, bridges string) *served {
	t.Helper()
	store, file := redistest.Start(t), t.TempDir()+"/outgate.yaml"
	outgatetest.WriteFile(t, file, fmt.Sprintf("redis: {url: %q}\nhttp: {addr: \"127.0.0.1:0\"}\npartitions: {count: 2}\n"+
		"delivery: {base_backoff: 10ms}\nbridges: [%s]\n", store.URL(), bridges))
	d := &served{Process: daemontest.Serve(t, file), file: file, rdb: store.Client()}
	d.client = tasks.NewClient(d.rdb)
	t.Cleanup(func() { _ = d.client.Close() })
	return d
}

func TestReadingTheBridgesAnewIsCounted(t *testing.T) {
	d := serve(t, "{id: b, channel: sandbox}")
	d.Logs(t, "worker.started")
	at := d.Address(t)
	counted := func(line string) {
		outgatetest.Eventually(t, "it says "+line, func() bool {
			_, metrics := outgatetest.Get(t, "GET", at+"/metrics")
			return strings.Contains(metrics, line+"\n")
		})
	}
	counted(`outgate_config_reloads_total{result="ok"} 0`)
	d.Hangup <- syscall.SIGHUP
	counted(`outgate_config_reloads_total{result="ok"} 1`)
	if err := os.WriteFile(d.file, []byte("bridges: nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Hangup <- syscall.SIGHUP
	counted(`outgate_config_reloads_total{result="failed"} 1`)
	counted(`outgate_config_reloads_total{result="ok"} 1`)
}
