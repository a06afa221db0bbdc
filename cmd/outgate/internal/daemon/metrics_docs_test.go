package daemon_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/tasks"
)

// scraped is what a running outgate exposes, with every series that needs an event
// to begin: a retry, a dead letter and a refusal.
func scraped(t *testing.T) string {
	t.Helper()
	url, _ := outgatetest.Receiver(t)
	d := serve(t, fmt.Sprintf("{id: orders, channel: webhook, url: %q, allow_private: true}", url))
	if _, err := d.Client.SendMessage(t.Context(), gatewaytest.Text("orders", "42", "hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Client.SendMessage(t.Context(), gatewaytest.Text("nobody", "42", "hello")); err == nil {
		t.Fatal("delivered by a bridge that there is not")
	}
	e := gatewaytest.Text("orders", "42", "to another channel")
	e.Channel = "telegram"
	var metrics string
	gatewaytest.Until(t, "all is counted", func() bool {
		if _, err := d.Client.Enqueue(t.Context(), e); !errors.Is(err, tasks.ErrInvalid) {
			t.Fatalf("enqueue: %v", err)
		}
		_, metrics = outgatetest.Get(t, "GET", d.URL+"/metrics")
		return strings.Contains(metrics, "outgate_rejected_total{") && strings.Contains(metrics, "outgate_required_workers ") &&
			strings.Contains(metrics, `outgate_failures_total{bridge="unknown"`)
	})
	return metrics
}

// exposed are the metrics of a page as the documentation writes them: type and
// labels.
func exposed(t *testing.T, page string) map[string]string {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for name, f := range families {
		if !strings.HasPrefix(name, "outgate_") {
			continue
		}
		labels := make(map[string]bool)
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		all[name] = strings.ToLower(f.GetType().String()) + " " + strings.Join(slices.Sorted(maps.Keys(labels)), " ")
	}
	return all
}

// telemetryTables are the rows of the tables in docs/telemetry.md.
func telemetryTables(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/telemetry.md")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `outgate_") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) != 6 || cells[3] == "" || cells[4] == "" || cells[5] == "" {
			t.Errorf("want name, type, labels, unit, of, meaning: %s", line)
			continue
		}
		name := strings.Trim(cells[0], "`")
		if all[name] != "" {
			t.Errorf("%s is there twice", name)
		}
		labels := strings.FieldsFunc(cells[2], func(r rune) bool { return r == ',' || r == ' ' })
		slices.Sort(labels)
		all[name] = cells[1] + " " + strings.Join(labels, " ")
	}
	return all
}

func TestEveryMetricIsDocumentedAsItIs(t *testing.T) {
	if d := cmp.Diff(telemetryTables(t), exposed(t, scraped(t))); d != "" {
		t.Errorf("docs/telemetry.md (-) and /metrics (+) differ:\n%s", d)
	}
}

func TestPromtoolFindsNothingWrongWithTheMetrics(t *testing.T) {
	promtool := debian(t, "promtool")
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(scraped(t))
	out, err := cmd.CombinedOutput()
	if err != nil || len(strings.TrimSpace(string(out))) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// debian finds a program of Debian's prometheus package. Without it the test is
// skipped, but for CI.
func debian(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	why := name + " is not installed (apt-get install prometheus)"
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
	return ""
}
