package examples_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// section returns the part of docs/protocol.md under a heading, up to the next heading of
// any level.
func section(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("protocol.md has no %q", heading)
	}
	part, _, _ := strings.Cut(rest, "\n#")
	return part
}

// found returns the first groups of all matches, sorted, each once.
func found(pattern, text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestTheVectorsOfTheProtocolAreRight(t *testing.T) {
	rows := regexp.MustCompile("(?m)^\\| (sha1|fnv1a) \\| `(.+)` \\| `(.+)` \\| (\\d+) \\| (\\d+) \\|$").
		FindAllStringSubmatch(section(t, "## Which partition"), -1)
	if len(rows) < 10 {
		t.Errorf("got %d rows, want at least 10", len(rows))
	}
	for _, row := range rows {
		scheme := partition.DefaultScheme()
		scheme.Hash = partition.Hash(row[1])
		scheme.Count, _ = strconv.Atoi(row[4])
		if got := strconv.Itoa(scheme.Route(row[2], row[3])); got != row[5] {
			t.Errorf("%s: got partition %s in the page, want %s", row[0], row[5], got)
		}
	}
}

func TestTheRoomOfTheExamplesIsInTheirPartition(t *testing.T) {
	examples := regexp.MustCompile(`"partition":(\d+),(?:"\w+":[^,]+,)*"routing_key":"(\w+):(\w+)"`).
		FindAllStringSubmatch(section(t, "## Enqueue")+section(t, "## The outcome"), -1)
	if len(examples) < 3 {
		t.Errorf("got %d examples, want at least 3", len(examples))
	}
	for _, e := range examples {
		if got := strconv.Itoa(partition.DefaultScheme().Route(e[2], e[3])); got != e[1] {
			t.Errorf("%s: got partition %s in the page, want %s", e[0], e[1], got)
		}
	}
}

func TestStringsAreTakenAsTheProtocolSays(t *testing.T) {
	g := &gateway{gatewaytest.New(t, gatewaytest.Config(16))}
	media := func(more string) string {
		return `{"operation":"send_media","bridge_id":"b","external_room_id":"lobby","payload":{"kind":"image","url":"https://example.org/a"` + more + `}}`
	}
	for envelope, want := range map[string]string{
		envelope(`,"channel":""`):                      "OUTGATE_INVALID channel: ",
		envelope(`,"opts":{"reply_to":""}`):            "OUTGATE_INVALID opts.reply_to: ",
		envelope(`,"correlation_id":"a\u001f"`):        "OUTGATE_INVALID correlation_id: ",
		envelope(`,"correlation_id":"a\u007f"`):        "OUTGATE_INVALID correlation_id: ",
		envelope(`,"correlation_id":"a\u009f"`):        "OUTGATE_INVALID correlation_id: ",
		envelope(`,"correlation_id":"a\u00a0"`):        `{"status":"accepted"`,
		media(`,"thumbnail_url":"/a"`):                 "OUTGATE_INVALID payload.thumbnail_url: ",
		media(`,"thumbnail_url":"","filename":""`):     `{"status":"accepted"`,
		media(`,"data":"","caption":"","duration":11`): `{"status":"accepted"`,
	} {
		if got := g.call(t, "{}", envelope); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", envelope, got, want)
		}
	}
}

func TestTheProtocolKnowsEveryRefusalAndReason(t *testing.T) {
	inScript := found(`(OUTGATE_[A-Z_]+)`, tasks.EnqueueScript)
	inScript = slices.DeleteFunc(inScript, func(code string) bool { // only for replays of the Go client
		return code == "OUTGATE_NOT_FOUND" || code == "OUTGATE_ALREADY_REPLAYED"
	})
	if diff := cmp.Diff(inScript, found("(?m)^\\| `(OUTGATE_[A-Z_]+)", section(t, "### Refusals"))); diff != "" {
		t.Errorf("refusals (-script +protocol):\n%s", diff)
	}
	var reasons []string
	for _, r := range classify.Reasons() {
		reasons = append(reasons, string(r))
	}
	_, list, _ := strings.Cut(section(t, "## The outcome"), "The reasons, stable:")
	if diff := cmp.Diff(reasons, found("`([a-z_]+)`", list)); diff != "" {
		t.Errorf("reasons (-classify +protocol):\n%s", diff)
	}
}

func TestDiscoveryHasTheFieldsOfTheProtocolAndNoOther(t *testing.T) {
	g := &gateway{gatewaytest.New(t, gatewaytest.Config(16))}
	api := g.Redis.HGetAll(t.Context(), "outgate:api").Val()
	var fields []string
	for name := range api {
		fields = append(fields, name)
	}
	slices.Sort(fields)
	documented := found("`([a-z_]+)`", strings.Join(regexp.MustCompile("(?m)^\\| (`[^|]*)").FindAllString(section(t, "## Discovery"), -1), ""))
	if diff := cmp.Diff(fields, documented); diff != "" {
		t.Errorf("(-outgate:api +protocol):\n%s", diff)
	}
	if api["enqueue_source"] != tasks.EnqueueScript || api["version"] != "1" {
		t.Errorf("got version %s and %d bytes of source, want 1 and the enqueue script", api["version"], len(api["enqueue_source"]))
	}
}

// call enqueues as any client does, and returns the receipt or the error.
func (g *gateway) call(t *testing.T, key, envelope string) string {
	t.Helper()
	sha := g.Redis.HGet(t.Context(), "outgate:api", "enqueue").Val()
	answer, err := g.Redis.EvalSha(t.Context(), sha, []string{key}, envelope).Text()
	if err != nil {
		return err.Error()
	}
	return answer
}

// envelope returns an envelope to the room lobby, with more fields.
func envelope(more string) string {
	return `{"operation":"send","bridge_id":"b","external_room_id":"lobby","payload":"hello"` + more + `}`
}

func TestRefusalsComeInTheOrderOfTheProtocol(t *testing.T) {
	cfg := gatewaytest.Config(2)
	cfg.Capacity, cfg.MaxBytes = 4, 300
	cfg.Pressure.Degraded, cfg.Pressure.Shed = .72, .75
	g := &gateway{gatewaytest.New(t, cfg)}
	right := cfg.Scheme.Route("b", "lobby")
	key, wrong := "{"+cfg.Scheme.Queue(right)+"}", "{"+cfg.Scheme.Queue(1-right)+"}"
	if err := g.Redis.HSet(t.Context(), "outgate:"+key+":bridges", "b", "slack").Err(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // as many as fit before the partition sheds
		if got := g.call(t, key, envelope("")); !strings.HasPrefix(got, `{"status":"accepted"`) {
			t.Fatalf("got %s, want it accepted", got)
		}
	}
	const used, low, other = `,"idempotency_key":"k"`, `,"priority":"low"`, `,"channel":"telegram"`
	for _, c := range []struct{ why, key, envelope, want string }{
		{"no such partition", "{outbound-099}", "no JSON", "OUTGATE_NOT_READY "},
		{"no such partition, because braces are missing", "outbound-000", envelope(""), "OUTGATE_NOT_READY "},
		{"too large", wrong, strings.Repeat("x", 301), "OUTGATE_TOO_LARGE "},
		{"no JSON", wrong, "no JSON", "OUTGATE_INVALID (envelope): "},
		{"another partition", wrong, envelope(low + other), "OUTGATE_WRONG_PARTITION want " + cfg.Scheme.Queue(right)},
		{"low at shed", key, envelope(low), "OUTGATE_LOAD_SHED "},
		{"another channel", key, envelope(low + other), "OUTGATE_INVALID channel: "},
		{"the last that fits", key, envelope(used), `{"status":"accepted"`},
		{"a duplicate in a full partition", key, envelope(used + low), `{"status":"duplicate"`},
		{"a mismatch in a full partition", key, strings.Replace(envelope(used), "hello", "else", 1), "OUTGATE_IDEMPOTENCY_MISMATCH "},
		{"full", key, envelope(low), "OUTGATE_QUEUE_FULL "},
		{"full, with the partition left to the script", "{}", envelope(""), "OUTGATE_QUEUE_FULL "},
	} {
		if got := g.call(t, c.key, c.envelope); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.why, got, c.want)
		}
	}
}

func TestRefusalsArePublished(t *testing.T) {
	cfg := gatewaytest.Config(1)
	cfg.Capacity = 1
	g := &gateway{gatewaytest.New(t, cfg)}
	const key, events = "{outbound-000}", "outgate:{outbound-000}:events"
	heard := g.Redis.Subscribe(t.Context(), events)
	t.Cleanup(func() { _ = heard.Close() })
	if _, err := heard.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{
		"no JSON", envelope(`,"idempotency_key":"k"`), envelope(`,"idempotency_key":"k","external_message_id":"1"`),
		strings.Replace(envelope(`,"idempotency_key":"k"`), "hello", "else", 1), envelope(`,"priority":"low"`),
	} {
		g.call(t, key, e)
	}
	for _, want := range []string{
		`{"event":"refused","partition":0,"code":"OUTGATE_INVALID","priority":"unknown"}`,
		`{"event":"pressure","partition":0,"from":"normal","to":"shed","depth":1,"capacity":1}`,
		`{"event":"refused","partition":0,"code":"OUTGATE_INVALID","priority":"unknown"}`,
		`{"event":"refused","partition":0,"code":"OUTGATE_IDEMPOTENCY_MISMATCH","priority":"normal"}`,
		`{"event":"refused","partition":0,"code":"OUTGATE_QUEUE_FULL","priority":"low"}`,
	} {
		m, err := heard.ReceiveMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.Payload != want {
			t.Errorf("got %s, want %s", m.Payload, want)
		}
	}
}

func TestWhatARestartTakesAndLeaves(t *testing.T) {
	g := newSmallGateway(t)
	const key = "{outbound-000}"
	g.Server.Restart()
	if got := g.call(t, key, envelope("")); !strings.HasPrefix(got, "NOSCRIPT ") {
		t.Errorf("the script after a restart: got %s, want NOSCRIPT", got)
	}
	fcall := func(key string) string {
		return fmt.Sprint(g.Redis.Do(t.Context(), "FCALL", "outgate_enqueue", 1, key, envelope("")).Result())
	}
	for _, k := range []string{key, "{}"} {
		if got := fcall(k); !strings.HasPrefix(got, `{"status":"accepted"`) {
			t.Errorf("the function after a restart, key %s: got %s, want it accepted", k, got)
		}
	}
	if err := g.Redis.ScriptLoad(t.Context(), g.Redis.HGet(t.Context(), "outgate:api", "enqueue_source").Val()).Err(); err != nil {
		t.Fatal(err)
	}
	before := g.Redis.DBSize(t.Context()).Val()
	g.Redis.ConfigSet(t.Context(), "maxmemory", "1")
	if got := g.call(t, key, envelope("")); !strings.HasPrefix(got, "OOM ") {
		t.Errorf("without memory: got %s, want OOM", got)
	}
	g.Redis.ConfigSet(t.Context(), "maxmemory", "0")
	if after := g.Redis.DBSize(t.Context()).Val(); after != before {
		t.Errorf("got %d keys after the refusal, want %d as before", after, before)
	}
	g.Redis.FlushAll(t.Context())
	if got := fcall("{}"); !strings.Contains(got, "OUTGATE_NOT_READY") {
		t.Errorf("the function after FLUSHALL: got %s, want OUTGATE_NOT_READY", got)
	}
}
