package e2e

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/daemon/daemontest"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// revoked is a worker with a Telegram bot whose token a test can change.
type revoked struct {
	*daemontest.Daemon
	fake      *telegramfake.Fake
	tokenFile string
}

func newRevoked(t *testing.T) *revoked {
	t.Helper()
	r := &revoked{
		fake:      telegramfake.New(telegramfake.Config{Token: "1:old", Limits: telegramfake.Unlimited}),
		tokenFile: filepath.Join(t.TempDir(), "token"),
	}
	provider := httptest.NewServer(r.fake)
	t.Cleanup(provider.Close)
	outgatetest.WriteFile(t, r.tokenFile, "1:old")
	r.Daemon = daemontest.Start(t, fmt.Sprintf(`
partitions: {count: 2}
bridges: [{id: tg, channel: telegram, token_file: %q, base_url: %q, limits: {bridge: "10000/1s", room: "1000/1s"}}]
`, r.tokenFile, provider.URL))
	return r
}

func TestANewTokenOnHangupLetsAllThatWaitedGoInOrder(t *testing.T) {
	const rooms, each = 10, 10
	r := newRevoked(t)
	r.fake.SetToken("1:new")
	var receipts []tasks.Receipt
	for i := range each {
		for room := range rooms {
			receipts = append(receipts, r.Enqueue(gatewaytest.Text("tg", fmt.Sprint(100+room), fmt.Sprint(i))))
		}
	}
	gatewaytest.Until(t, "the bridge is suspended", func() bool {
		return r.Redis.HExists(t.Context(), partition.SuspendedKey, "tg").Val()
	})

	outgatetest.WriteFile(t, r.tokenFile, "1:new with a space")
	r.Hangup <- syscall.SIGHUP
	r.Logs(t, "config.not_reloaded")
	outgatetest.WriteFile(t, r.tokenFile, "1:new")
	r.Hangup <- syscall.SIGHUP
	r.Logs(t, "bridges.reloaded")

	failed := 0
	for _, o := range r.Outcomes(receipts...) {
		if o.Error != nil {
			failed++
			if o.Error.Reason != "unauthorized" {
				t.Errorf("got outcome %+v, want unauthorized", o.Error)
			}
		}
	}
	if failed != 3 {
		t.Errorf("got %d failed envelopes, want the three that suspended the bridge", failed)
	}
	delivered := 0
	for room := range rooms {
		var texts []string
		for _, m := range r.fake.Messages(fmt.Sprint(100 + room)) {
			texts = append(texts, m.Text)
		}
		delivered += len(texts)
		if got := strings.Join(texts, ""); !strings.HasSuffix("0123456789", got) {
			t.Errorf("room %d: got %q, want the last of 0123456789 in order", room, got)
		}
	}
	if delivered != rooms*each-3 {
		t.Errorf("got %d delivered, want %d", delivered, rooms*each-3)
	}
	r.Logs(t, "bridge.resumed")
}
