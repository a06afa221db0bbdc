package daemon_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9/logging"

	"github.com/outgate/outgate/cmd/outgate/internal/daemon/daemontest"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
)

func TestMain(m *testing.M) {
	logging.Disable()
	m.Run()
}

// serve starts a daemon with these bridges.
func serve(t *testing.T, bridges string) *daemontest.Daemon {
	t.Helper()
	return daemontest.Start(t, "partitions: {count: 2}\ndelivery: {base_backoff: 10ms}\nbridges: ["+bridges+"]\n")
}

func TestReadingTheBridgesAnewIsCounted(t *testing.T) {
	d := serve(t, "{id: b, channel: sandbox}")
	counted := func(line string) {
		gatewaytest.Until(t, "it says "+line, func() bool {
			_, metrics := outgatetest.Get(t, "GET", d.URL+"/metrics")
			return strings.Contains(metrics, line+"\n")
		})
	}
	counted(`outgate_config_reloads_total{result="ok"} 0`)
	d.Hangup <- syscall.SIGHUP
	counted(`outgate_config_reloads_total{result="ok"} 1`)
	if err := os.WriteFile(d.File, []byte("bridges: nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Hangup <- syscall.SIGHUP
	counted(`outgate_config_reloads_total{result="failed"} 1`)
	counted(`outgate_config_reloads_total{result="ok"} 1`)
}
