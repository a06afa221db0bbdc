package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/cmd/outgate/internal/daemon/daemontest"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// revoked is a worker with a Telegram bot whose token a test can change.
type revoked struct {
	fake      *telegramfake.Fake
	rdb       *redis.Client
	client    *tasks.Client
	process   *outgatetest.Process
	tokenFile string
}

func newRevoked(t *testing.T) *revoked {
	t.Helper()
	r := &revoked{fake: telegramfake.New(telegramfake.Config{Token: "1:old", Limits: telegramfake.Unlimited})}
	provider := httptest.NewServer(r.fake)
	t.Cleanup(provider.Close)
	server := redistest.Start(t)
	r.rdb = server.Client()
	folder := t.TempDir()
	r.tokenFile = filepath.Join(folder, "token")
	r.write(t, r.tokenFile, "1:old")
	config := filepath.Join(folder, "outgate.yaml")
	r.write(t, config, fmt.Sprintf(`
redis: {url: "%s"}
http: {addr: "127.0.0.1:0"}
partitions: {count: 2}
bridges: [{id: tg, channel: telegram, token_file: token, base_url: "%s", limits: {bridge: "10000/1s", room: "1000/1s"}}]
`, server.URL(), provider.URL))
	r.process = daemontest.Serve(t, config)
	r.process.Logs(t, "worker.started")
	r.client = tasks.NewClient(r.rdb)
	t.Cleanup(func() { _ = r.client.Close() })
	return r
}

func (r *revoked) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestANewTokenOnHangupDeliversAllWaitingMessagesInOrder(t *testing.T) {
	const rooms, each = 10, 10
	r := newRevoked(t)
	r.fake.SetToken("1:new")
	var receipts []tasks.Receipt
	for i := range each {
		for room := range rooms {
			receipt, err := r.client.Enqueue(t.Context(), tasks.Envelope{
				Operation: tasks.Send, BridgeID: "tg", ExternalRoomID: fmt.Sprint(100 + room), Payload: tasks.Text(fmt.Sprint(i)),
			})
			if err != nil {
				t.Fatal(err)
			}
			receipts = append(receipts, receipt)
		}
	}
	gatewaytest.Until(t, "the bridge is suspended", func() bool {
		return r.rdb.HExists(t.Context(), ops.SuspendedKey, "tg").Val()
	})

	r.write(t, r.tokenFile, "1:new with a space")
	r.process.Hangup <- syscall.SIGHUP
	r.process.Logs(t, "config.not_reloaded")
	r.write(t, r.tokenFile, "1:new")
	r.process.Hangup <- syscall.SIGHUP
	r.process.Logs(t, "bridges.reloaded")

	failed := 0
	for _, receipt := range receipts {
		o, err := r.client.Wait(t.Context(), receipt)
		if err != nil {
			t.Fatal(err)
		}
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
	r.process.Logs(t, "bridge.resumed")
}
