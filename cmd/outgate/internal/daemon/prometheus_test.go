package daemon_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/tasks"
)

// monitoring is a Prometheus that runs, and scrapes one outgate.
type monitoring struct {
	t   *testing.T
	url string
	log outgatetest.Buffer
}

// startPrometheus has a Prometheus of the test's own scrape the pages, with the alert
// rules of deploy, which fire at once.
func startPrometheus(t *testing.T, pages string, flags ...string) *monitoring {
	t.Helper()
	bin, dir := debian(t, "prometheus"), t.TempDir()
	rules, err := os.ReadFile("../../../../deploy/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	outgatetest.WriteFile(t, filepath.Join(dir, "alerts.yaml"), regexp.MustCompile(`(?m)^( +for:).*$`).ReplaceAllString(string(rules), "$1 0s"))
	outgatetest.WriteFile(t, filepath.Join(dir, "prometheus.yml"), fmt.Sprintf(`
global: {scrape_interval: 300ms, scrape_timeout: 300ms, evaluation_interval: 300ms}
rule_files: [alerts.yaml]
scrape_configs:
  - job_name: outgate
    static_configs: [{targets: [%q]}]
`, strings.TrimPrefix(pages, "http://")))
	p := &monitoring{t: t}
	addr := outgatetest.FreePort(t)
	p.url = "http://" + addr
	cmd := exec.Command(bin, append([]string{
		"--config.file=" + filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path=" + filepath.Join(dir, "data"),
		"--web.listen-address=" + addr,
	}, flags...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(p.log.String())
		}
	})
	return p
}

// scrapes waits for the first scrape: a Prometheus takes five seconds for that.
func (p *monitoring) scrapes() {
	p.t.Helper()
	p.says(`up{job="outgate"}`, 1)
}

var errNoSeries = errors.New("no series")

// query is the value of an expression that has one.
func (p *monitoring) query(expression string) (float64, error) {
	response, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(expression))
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Error string
		Data  struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, err
	}
	switch {
	case answer.Error != "":
		p.t.Fatalf("%s: %s", expression, answer.Error)
	case len(answer.Data.Result) != 1:
		return 0, fmt.Errorf("%s: %d results: %w", expression, len(answer.Data.Result), errNoSeries)
	}
	value, _ := answer.Data.Result[0].Value[1].(string)
	return strconv.ParseFloat(value, 64)
}

// says waits until an expression has a value.
func (p *monitoring) says(expression string, want float64) {
	p.t.Helper()
	got, err := 0.0, error(nil)
	defer func() {
		if p.t.Failed() {
			p.t.Logf("%s is %v (%v)", expression, got, err)
		}
	}()
	gatewaytest.Until(p.t, fmt.Sprintf("%s is %v", expression, want), func() bool {
		got, err = p.query(expression)
		return err == nil && got == want
	})
}

// moodyReceiver is a webhook receiver that does as the text says; "revoked" at /broken
// until it is repaired.
func moodyReceiver(t *testing.T) (address string, repaired *atomic.Bool) {
	t.Helper()
	var doubted, busied atomic.Bool
	repaired = new(atomic.Bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.HasSuffix(r.URL.Path, "/broken") && !repaired.Load():
			w.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(string(body), `"text":"doubt"`) && doubted.CompareAndSwap(false, true):
			connection, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_ = connection.Close()
			}
		case strings.Contains(string(body), `"text":"busy"`) && busied.CompareAndSwap(false, true):
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, repaired
}

// load is 20 envelopes that are delivered, one of them at the second attempt and one
// of them in doubt, three duplicates, four refusals and two dead letters.
func load(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	settled := func(e tasks.Envelope) { g.Outcome(g.Enqueue(e)) }
	for i := range 17 {
		settled(gatewaytest.Text("orders", fmt.Sprint("room-", i%5), "hello"))
	}
	settled(gatewaytest.Text("orders", "1", "busy"))
	settled(gatewaytest.Text("orders", "1", "doubt"))
	keyed := gatewaytest.Text("orders", "1", "once")
	keyed.IdempotencyKey = "k"
	for range 4 {
		settled(keyed)
	}
	wrong := gatewaytest.Text("orders", "1", "to another channel")
	wrong.Channel = "telegram"
	for range 4 {
		if _, err := g.Client.Enqueue(t.Context(), wrong); !errors.Is(err, tasks.ErrInvalid) {
			t.Fatalf("enqueue: %v", err)
		}
	}
	for range 2 {
		settled(gatewaytest.Text("nobody", "1", "hello"))
	}
}

func TestPrometheusSaysWhatTheLoadDid(t *testing.T) {
	debian(t, "prometheus")
	address, repaired := moodyReceiver(t)
	d := serve(t, fmt.Sprintf("{id: orders, channel: webhook, url: %q, allow_private: true}, "+
		"{id: revoked, channel: webhook, url: %q, allow_private: true}", address, address+"/broken"))
	watched := startPrometheus(t, d.URL)
	native := startPrometheus(t, d.URL, "--enable-feature=native-histograms")
	watched.scrapes()
	native.scrapes()
	watched.says(`sum(outgate_queue_capacity)`, 20000) // it reports, and so it hears refusals
	load(t, d.Gateway)

	for expression, want := range map[string]float64{
		`sum(outgate_enqueued_total)`:                                                       22,
		`sum(outgate_deliveries_total{disposition="delivered"})`:                            20,
		`sum(outgate_deliveries_total{disposition="terminal"})`:                             2,
		`sum(outgate_attempts_total)`:                                                       22,
		`sum(outgate_retries_total)`:                                                        2,
		`sum(outgate_ambiguous_total{bridge="orders"})`:                                     1,
		`sum(outgate_duplicates_total)`:                                                     3,
		`sum(outgate_rejected_total{reason="invalid"})`:                                     4,
		`sum(outgate_dead_letters_total)`:                                                   2,
		`sum(outgate_dead_letters_kept)`:                                                    2,
		`sum(outgate_failures_total{bridge="unknown",reason="unknown_bridge"})`:             2,
		`outgate_delivery_seconds_count{bridge="orders"}`:                                   20,
		`outgate_delivery_seconds_bucket{bridge="orders",le="+Inf"}`:                        20,
		`outgate_attempt_seconds_count{bridge="orders"}`:                                    22,
		`sum(outgate_queue_wait_seconds_count)`:                                             20,
		`outgate_delivery_attempts_bucket{bridge="orders",le="1.0"}`:                        18,
		`sum(outgate:partition_depth)`:                                                      0,
		`max(outgate_oldest_age_seconds)`:                                                   0,
		`min by (bridge) (outgate_bridge_up{bridge="revoked"})`:                             1,
		`count(outgate_required_workers)`:                                                   1,
		`histogram_quantile(0.95, sum by (le) (outgate_delivery_seconds_bucket)) < bool 30`: 1,
	} {
		watched.says(expression, want)
	}
	outage(t, watched, d.Gateway, func() {
		repaired.Store(true)
		operator := api.New(api.Config{Redis: d.Redis, Scheme: d.Config.Scheme})
		if err := operator.Resume(t.Context(), "revoked"); err != nil {
			t.Fatal(err)
		}
	})
	// The one that asks for native histograms gets those.
	native.says(`histogram_count(outgate_delivery_seconds{bridge="orders"})`, 20)
}

// outage lets a bridge's credential break, and mends it: both are seen, and the alert
// fires for as long as it lasts.
func outage(t *testing.T, watched *monitoring, g *gatewaytest.Gateway, repair func()) {
	t.Helper()
	for i := range 3 {
		if _, err := g.Client.SendMessage(t.Context(), gatewaytest.Text("revoked", fmt.Sprint(i), "x")); err == nil {
			t.Fatal("delivered with a revoked credential")
		}
	}
	watched.says(`min by (bridge) (outgate_bridge_up{bridge="revoked"})`, 0)
	watched.says(`outgate_bridge_suspended{bridge="revoked",by="gateway"}`, 1)
	watched.says(`count(ALERTS{alertname="BridgeSuspended",alertstate="firing",bridge="revoked"})`, 1)
	if n, err := watched.query(`count(ALERTS{alertname="BridgeSuspended",bridge!="revoked"})`); !errors.Is(err, errNoSeries) {
		t.Errorf("%v alerts for another bridge", n)
	}
	g.Enqueue(gatewaytest.Text("revoked", "held", "x"))
	watched.says(`sum(outgate:partition_depth)`, 1)
	watched.says(`sum(outgate_lines)`, 1)
	watched.says(`outgate_required_workers < bool 0.1`, 1) // a suspended bridge asks for nobody
	repair()
	watched.says(`min by (bridge) (outgate_bridge_up{bridge="revoked"})`, 1)
	gatewaytest.Until(t, "the alert is over", func() bool {
		_, err := watched.query(`ALERTS{alertname="BridgeSuspended"}`)
		return errors.Is(err, errNoSeries)
	})
}
