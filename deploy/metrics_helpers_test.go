package deploy_test

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/outgate/outgate/tasks"
)

func gathered(t *testing.T, g prometheus.Gatherer) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]*dto.MetricFamily)
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

// series has the label values that were seen, by series name and label.
type series map[string]map[string][]string

var (
	sample = regexp.MustCompile(`(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$`)
	pair   = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)
)

// readSeries reads Prometheus' text format.
func readSeries(text string) series {
	all := make(series)
	for _, m := range sample.FindAllStringSubmatch(text, -1) {
		if all[m[1]] == nil {
			all[m[1]] = make(map[string][]string)
		}
		for _, p := range pair.FindAllStringSubmatch(m[2], -1) {
			if values := all[m[1]][p[1]]; !slices.Contains(values, p[2]) {
				all[m[1]][p[1]] = append(values, p[2])
			}
		}
	}
	return all
}

var exposedOnce struct {
	sync.Mutex
	series series
}

// exposed returns the series of outgate serve, after the events with which some series
// begin: a delivery, a retry, a dead letter and a refusal.
func exposed(t *testing.T) series {
	t.Helper()
	exposedOnce.Lock()
	defer exposedOnce.Unlock()
	if exposedOnce.series != nil {
		return maps.Clone(exposedOnce.series)
	}
	g, _, pages := served(t)
	token := read(t, g.file("http_token"))
	scrape := func() series { return readSeries(get(t, pages+"/metrics", token)) }
	until(t, "one worker reports on every partition", func() bool {
		return len(scrape()["outgate_queue_capacity"]["partition"]) == 16
	})
	client := tasks.NewClient(g.as(workerUser))
	defer func() { _ = client.Close() }()
	e := tasks.Envelope{
		BridgeID: "b", ExternalRoomID: "1", Payload: tasks.Text("x"),
		Opts: &tasks.Opts{Metadata: []byte(`{"sandbox":{"fail":"retryable","times":1}}`)},
	}
	if _, err := client.SendMessage(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.BridgeID = "nobody"
	if _, err := client.SendMessage(t.Context(), e); err == nil {
		t.Fatal("got success over a bridge that is not configured, want an error")
	}
	e.BridgeID, e.Channel, e.Operation = "b", "telegram", tasks.Send
	if _, err := client.Enqueue(t.Context(), e); !errors.Is(err, tasks.ErrInvalid) {
		t.Fatalf("got %v, want a refusal", err)
	}
	until(t, "the failure is counted", func() bool {
		s := scrape()
		return s["outgate_failures_total"] != nil
	})
	exposedOnce.series = scrape()
	return maps.Clone(exposedOnce.series)
}

func labelNames(s series) []string {
	var all []string
	for _, labels := range s {
		all = slices.AppendSeq(all, maps.Keys(labels))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func alternatives(matcher string) []string { return strings.Split(matcher, "|") }
