package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/outgate/outgate/cmd/outgate/internal/daemon/daemontest"
	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/handlers/ledger"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

func TestMain(m *testing.M) {
	logging.Disable()
	m.Run()
}

// message is a message in a room of a fake.
type message = telegramfake.Message

// fakeServer is the interface of all fakes.
type fakeServer interface {
	http.Handler
	Messages(room string) []message
	Rooms() []string
	Counts() telegramfake.Counts
	Lose(n int)
}

// provider is a fake and the bridge that sends to it.
type provider struct {
	fakeServer
	channel string
	// keys are the bridge's keys in YAML: credentials and limits.
	keys string
	// room returns the nth room.
	room func(n int) string
}

// The four providers, each with its own kind of limits.

func telegramWith(l telegramfake.Limits) *provider {
	return &provider{
		fakeServer: telegramfake.New(telegramfake.Config{Token: "1:t", Limits: l}), channel: "telegram", keys: `token: "1:t"`,
		room: func(n int) string { return fmt.Sprint(1000 + n) },
	}
}

func slackWith(l slackfake.Limits) *provider {
	return &provider{
		fakeServer: slackfake.New(slackfake.Config{Token: "xoxb-t", Limits: l, SharesAtOnce: true}), channel: "slack", keys: `token: "xoxb-t"`,
		room: func(n int) string { return fmt.Sprintf("C%08d", n) },
	}
}

func discordWith(l discordfake.Limits) *provider {
	return &provider{
		fakeServer: discordfake.New(discordfake.Config{Token: "t", Limits: l}), channel: "discord", keys: `token: "t"`,
		room: func(n int) string { return fmt.Sprint(500000000000000000 + n) },
	}
}

func matrixWith(l matrixfake.Limits) *provider {
	return &provider{
		fakeServer: matrixfake.New(matrixfake.Config{Limits: l}), channel: "matrix", keys: fmt.Sprintf("token: %q", matrixfake.DefaultToken),
		room: func(n int) string { return fmt.Sprintf("!r%d:fake.example", n) },
	}
}

// with adds keys to the bridge.
func (p *provider) with(keys string) *provider {
	p.keys += ", " + keys
	return p
}

// noLimits are limits of a bridge that no test reaches.
const noLimits = `limits: {bridge: "10000/1s", room: "10000/1s"}`

// unlimited are the four providers without any limit.
func unlimited() []*provider {
	return []*provider{
		telegramWith(telegramfake.Unlimited).with(noLimits),
		slackWith(slackfake.Unlimited).with(noLimits),
		discordWith(discordfake.Unlimited).with(noLimits),
		matrixWith(matrixfake.Limits{Burst: -1}).with(noLimits),
	}
}

// atOnce runs all subtests at the same time, since they mostly wait.
func atOnce(t *testing.T, tests map[string]func(t *testing.T)) {
	t.Helper()
	var all sync.WaitGroup
	for name, test := range tests {
		all.Go(func() { t.Run(name, test) })
	}
	all.Wait()
}

// forEach runs a test for all providers at the same time.
func forEach(t *testing.T, providers []*provider, test func(t *testing.T, p *provider)) {
	t.Helper()
	tests := make(map[string]func(*testing.T))
	for _, p := range providers {
		tests[p.channel] = func(t *testing.T) { test(t, p) }
	}
	atOnce(t, tests)
}

// gateway is outgate serve in this process, with one bridge, "b", to a provider.
type gateway struct {
	*provider
	*daemontest.Daemon
}

// open serves the fake and starts a Redis and a worker.
func (p *provider) open(t *testing.T) *gateway {
	t.Helper()
	server := httptest.NewServer(p.fakeServer)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return p.openAt(t, server.URL)
}

// openAt starts a Redis and a worker for a provider that is served already.
func (p *provider) openAt(t *testing.T, url string) *gateway {
	t.Helper()
	d := &gateway{provider: p, Daemon: daemontest.Start(t, bridgesYAML(p.bridgeYAML("b", url)))}
	d.Patience = patience
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the provider counts %+v", p.Counts())
		}
	})
	return d
}

// patience is how long a provider's limits may take.
const patience = 4 * time.Minute

// bridgeYAML is a bridge as it stands in a configuration.
func (p *provider) bridgeYAML(id, url string) string {
	return fmt.Sprintf("  - {id: %s, channel: %s, base_url: %q, %s}\n", id, p.channel, url, p.keys)
}

// bridgesYAML is a configuration without where Redis and the pages are.
func bridgesYAML(bridges ...string) string {
	return "partitions: {count: 4}\nresults: {ttl: 1h}\n" +
		"delivery: {base_backoff: 20ms, max_backoff: 1s}\nbridges:\n" + strings.Join(bridges, "")
}

// envelope is an envelope to the nth room.
func (d *gateway) envelope(room int, op tasks.Operation, payload tasks.Payload, edited string) tasks.Envelope {
	return tasks.Envelope{
		Operation: op, BridgeID: "b", ExternalRoomID: d.room(room), Payload: payload, ExternalMessageID: edited,
	}
}

// texts are what can be read in the nth room.
func (d *gateway) texts(room int) []string {
	var texts []string
	for _, m := range d.Messages(d.room(room)) {
		texts = append(texts, m.Text)
	}
	return texts
}

// admit admits so many numbered messages to each of so many rooms, in turn.
func (d *gateway) admit(rooms, each int) (receipts []tasks.Receipt) {
	d.T.Helper()
	for seq := 1; seq <= each; seq++ {
		var round []tasks.Envelope
		for room := range rooms {
			round = append(round, d.envelope(room, tasks.Send, tasks.Text(ledger.Text(seq)), ""))
		}
		receipts = append(receipts, d.EnqueueBatch(round...)...)
	}
	return receipts
}

// load is admit, and waits until all are settled. Each must be a success.
func (d *gateway) load(rooms, each int) {
	d.T.Helper()
	receipts := d.admit(rooms, each)
	for i, o := range d.Outcomes(receipts...) {
		if o.Success == nil || o.Success.PossibleDuplicate {
			d.T.Errorf("outcome of %s: %+v %+v", receipts[i].ID, o.Success, o.Error)
		}
	}
}

// check holds what stands in the rooms against what was admitted: order, nothing
// lost, no doubles. It answers when each message came to each room.
func (d *gateway) check(rooms, each int) [][]time.Time {
	d.T.Helper()
	return d.checkBut(rooms, each, ledger.Expect{})
}

// checkBut is check with exceptions.
func (d *gateway) checkBut(rooms, each int, expect ledger.Expect) [][]time.Time {
	d.T.Helper()
	record := ledger.New()
	expect.Rooms = make(map[string]int)
	for room := range rooms {
		expect.Rooms[d.room(room)] = each
	}
	var all [][]time.Time
	for _, room := range d.Rooms() {
		var times []time.Time
		for i, m := range d.Messages(room) {
			// discord escapes possible markup
			seq, ok := ledger.ParseSeq(strings.ReplaceAll(m.Text, `\`, ""))
			if !ok {
				d.T.Errorf("message %d of room %s reads %q", i, room, m.Text)
			}
			record.Add(ledger.Record{Room: room, Seq: seq, ID: m.ID, Start: m.At, End: m.At, Accepted: true})
			times = append(times, m.At)
		}
		all = append(all, times)
	}
	if err := record.Check(expect).Err(); err != nil {
		d.T.Error(err)
	}
	return all
}

// pace is a rate limit of all rooms together or of each room.
type pace struct {
	ratelimit.Limit
	perRoom bool
}

// used is the share of the allowed messages that were sent, from the first message to
// the last. If the limit is per room, each room counts until its own last message.
func used(rooms [][]time.Time, paces []pace) (share float64, took time.Duration) {
	all := slices.Concat(rooms...)
	first := slices.MinFunc(all, time.Time.Compare)
	until := func(times []time.Time) time.Duration { return slices.MaxFunc(times, time.Time.Compare).Sub(first) }
	for _, p := range paces {
		most := 0.0
		if p.perRoom {
			for _, times := range rooms {
				most += p.most(until(times))
			}
		} else {
			most = p.most(until(all))
		}
		share = max(share, float64(len(all))/most)
	}
	return share, until(all)
}

// most is how many messages the limit allows within a time.
func (p pace) most(d time.Duration) float64 { return float64(p.N) * (1 + float64(d)/float64(p.Window)) }
