//go:build faults

package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/handlers/xmpp/xmppfake"
	"github.com/outgate/outgate/tasks"
)

// receiver200 is a receiver of webhooks that answers 200 and records their times.
type receiver200 struct {
	mu    sync.Mutex
	times []message
}

func (r *receiver200) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	r.times = append(r.times, message{At: time.Now()})
	r.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}

func (r *receiver200) Messages(string) []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.times)
}

func (*receiver200) Rooms() []string             { return []string{"all"} }
func (*receiver200) Counts() telegramfake.Counts { return telegramfake.Counts{} }
func (*receiver200) Lose(int)                    {}

func hook(keys string) *provider {
	return &provider{
		fakeServer: new(receiver200), channel: "webhook", keys: `url: "http://x.invalid/hook", allow_private: true` + keys,
		room: func(n int) string { return fmt.Sprintf("room-%d", n) },
	}
}

// chat is a bridge to the fake of an XMPP server with group rooms.
func chat(keys string) *provider {
	return &provider{
		fakeServer: xmppfake.New(xmppfake.Config{Domain: "fake", Password: "t"}), channel: "xmpp", keys: `jid: b@fake, password: t` + keys,
		room: func(n int) string { return fmt.Sprintf("room%d@rooms.fake", n) },
	}
}

// reached serves the fake over HTTP or over its own protocol and returns its address.
func (p *provider) reached(t *testing.T) string {
	t.Helper()
	own, ok := p.fakeServer.(interface{ Serve(l net.Listener) error })
	if !ok {
		server := httptest.NewServer(p)
		t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
		return server.URL
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() { _ = own.Serve(listener) }()
	return p.channel + "://" + listener.Addr().String()
}

// spent is the resources that a worker process has used so far.
type spent struct{ cpu, allocations, bytes float64 }

func scrape(t *testing.T, addr string) spent {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	found := make(map[string]float64)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok {
			found[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	s := spent{found["process_cpu_seconds_total"], found["go_memstats_mallocs_total"], found["go_memstats_alloc_bytes_total"]}
	if s.cpu == 0 || s.allocations == 0 || s.bytes == 0 {
		t.Fatalf("got %+v, want three metrics above 0", s)
	}
	return s
}

// cost delivers messages with a worker process and logs the cost of one message.
func (p *provider) cost(t *testing.T, name, binary string, n int) {
	t.Helper()
	url := p.reached(t)
	addr := outgatetest.FreePort(t)
	s := &stage{Gateway: fresh(t, fourPartitions), binary: binary, config: filepath.Join(t.TempDir(), "outgate.yaml")}
	outgatetest.WriteFile(t, s.config, processYAML(s.Server.URL(), addr, p.bridgeYAML("b", url)))
	s.start()
	defer s.kill()
	s.configured()
	s.Until("the pages are served", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	const rooms = 100
	send := func(n int) {
		var envelopes []tasks.Envelope
		for i := range n {
			envelopes = append(envelopes, tasks.Envelope{
				Operation: tasks.Send, BridgeID: "b", ExternalRoomID: p.room(i % rooms), Payload: tasks.Text(ledger.Text(1 + i/rooms)),
			})
		}
		for batch := range slices.Chunk(envelopes, 500) {
			s.EnqueueBatch(batch...)
		}
	}
	arrived := func() (times []time.Time) {
		for _, room := range p.Rooms() {
			for _, m := range p.Messages(room) {
				times = append(times, m.At)
			}
		}
		return times
	}
	send(rooms) // connections, pools, scripts
	s.Until("the first messages are there", func() bool { return len(arrived()) == rooms })
	before := scrape(t, addr)
	send(n)
	s.Until("all messages are there", func() bool { return len(arrived()) == rooms+n })
	after := scrape(t, addr)
	times := arrived()
	slices.SortFunc(times, time.Time.Compare)
	took := times[len(times)-1].Sub(times[rooms])
	t.Logf("%-28s %6.0f messages/s, %4.0f µs of the worker's CPU, %4.0f allocations, %5.1f kB a message", name,
		float64(n-1)/took.Seconds(), 1e6*(after.cpu-before.cpu)/float64(n), (after.allocations-before.allocations)/float64(n),
		(after.bytes-before.bytes)/float64(n)/1000)
}

func TestFaultTheCostOfAMessageOnEachChannel(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "outgate")
	if out, err := exec.Command("go", "build", "-o", binary, command).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	hook("").cost(t, "webhook, no limits", binary, *messages)
	hook(", "+noLimits).cost(t, "webhook", binary, *messages)
	for _, p := range append(unlimited(), chat(", "+noLimits)) {
		p.cost(t, p.channel, binary, *messages)
	}
}
