package deploy_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// expression is a PromQL expression and its place.
type expression struct{ where, text string }

type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Record      string            `yaml:"record"`
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			For         string            `yaml:"for"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

func alerts(t *testing.T) ruleFile {
	t.Helper()
	var f ruleFile
	if err := yaml.Unmarshal([]byte(read(t, "prometheus/alerts.yaml")), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// recorded returns the series of recording rules.
func recorded(t *testing.T) map[string]bool {
	names := make(map[string]bool)
	for _, g := range alerts(t).Groups {
		for _, r := range g.Rules {
			if r.Record != "" {
				names[r.Record] = true
			}
		}
	}
	return names
}

func ruleExpressions(t *testing.T) []expression {
	var all []expression
	for _, g := range alerts(t).Groups {
		for _, r := range g.Rules {
			all = append(all, expression{"rule " + r.Record + r.Alert, r.Expr})
		}
	}
	return all
}

type panel struct {
	Title   string `json:"title"`
	Type    string `json:"type"`
	ID      int    `json:"id"`
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
	GridPos struct{ H, W, X, Y int } `json:"gridPos"`
}

type dashboard struct {
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name, Definition string
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct{ Expr string } `json:"list"`
	} `json:"annotations"`
}

func theDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(read(t, "grafana/dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// dashboardExpressions returns the dashboard's expressions, with values for Grafana's
// variables.
func dashboardExpressions(t *testing.T) []expression {
	d := theDashboard(t)
	fill := strings.NewReplacer("$__rate_interval", "1m", `"$bridge"`, `".*"`)
	var all []expression
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all = append(all, expression{"panel " + p.Title, fill.Replace(target.Expr)})
		}
	}
	for _, a := range d.Annotations.List {
		all = append(all, expression{"annotation", a.Expr})
	}
	variable := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`)
	for _, v := range d.Templating.List {
		if m := variable.FindStringSubmatch(v.Definition); m != nil {
			all = append(all, expression{"variable " + v.Name, fmt.Sprintf("count by (%s) (%s)", m[2], m[1])})
		}
	}
	return all
}

// scalingExpressions returns the expressions by which the chart scales.
func scalingExpressions(t *testing.T) []expression {
	query, _ := at(rendered(t, "everything.yaml").one(t, "ScaledObject").Spec, "triggers", 0, "metadata", "query").(string)
	metric, _ := at(rendered(t, "hpa.yaml").one(t, "HorizontalPodAutoscaler").Spec, "metrics", 0, "external", "metric", "name").(string)
	return []expression{{"the ScaledObject", query}, {"the HorizontalPodAutoscaler", metric}}
}

var (
	selector   = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	grouping   = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right) ?\(([^)]*)\)`)
	identifier = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*(?:\s*\()?`)
	duration   = regexp.MustCompile(`\[[^\]]*\]|\boffset \w+`)
	keywords   = strings.Fields("and or unless by on without ignoring group_left group_right bool inf nan")
	// fixed are the labels whose values are outgate's own words.
	fixed = strings.Fields("state disposition category level")
)

// faults returns the names in an expression that the exposed series do not have.
func faults(e string, known series, also map[string]bool) []string {
	var found []string
	for _, s := range selector.FindAllStringSubmatch(e, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			name, op, value := m[1], m[2], m[3]
			labels := known[s[1]]
			switch {
			case labels == nil || name == "job" || name == "instance":
			case labels[name] == nil:
				found = append(found, s[1]+" has no label "+name)
			case slices.Contains(fixed, name) && value != "":
				for _, v := range alternatives(value) {
					if !slices.Contains(labels[name], v) {
						found = append(found, fmt.Sprintf("%s has no %s %s %q", s[1], name, op, v))
					}
				}
			}
		}
	}
	rest := selector.ReplaceAllString(e, "$1")
	for _, g := range grouping.FindAllStringSubmatch(rest, -1) {
		for label := range strings.FieldsFuncSeq(g[1], func(r rune) bool { return r == ',' || r == ' ' }) {
			if !slices.Contains(append(labelNames(known), "job", "instance"), label) {
				found = append(found, "no series has a label "+label)
			}
		}
	}
	rest = duration.ReplaceAllString(grouping.ReplaceAllString(rest, " "), " ")
	for _, name := range identifier.FindAllString(rest, -1) {
		switch {
		case strings.HasSuffix(name, "("), slices.Contains(keywords, strings.ToLower(name)):
		case name == "up", name == "ALERTS", also[name], known[name] != nil:
		default:
			found = append(found, "no series "+name)
		}
	}
	return found
}

func TestEveryExpressionIsAboutSeriesThatAreThere(t *testing.T) {
	t.Parallel()
	known, also := exposed(t), recorded(t)
	all := slices.Concat(ruleExpressions(t), dashboardExpressions(t), scalingExpressions(t))
	if len(all) < 50 {
		t.Fatalf("got %d expressions, want at least 50", len(all))
	}
	for _, e := range all {
		if e.text == "" {
			t.Errorf("%s: got an empty expression, want one", e.where)
		}
		for _, f := range faults(e.text, known, also) {
			t.Errorf("%s: %s\n\t%s", e.where, f, e.text)
		}
	}
}

func TestAFaultInAnExpressionIsFound(t *testing.T) {
	t.Parallel()
	known := readSeries("m{state=\"a\",x=\"1\"} 1\nn_bucket{le=\"1\"} 1\n")
	for e, want := range map[string]string{
		`sum by (x) (rate(m{state="a"}[5m])) > 0 unless on () n_bucket{job="j"}`: "",
		`histogram_quantile(0.9, sum by (le) (rate(n_bucket[5m])))`:              "",
		`sum(o)`:          "no series o",
		`m{stat="a"}`:     "m has no label stat",
		`m{state=~"a|b"}`: `m has no state =~ "b"`,
		`sum by (y) (m)`:  "no series has a label y",
		`m + on (x) q`:    "no series q",
	} {
		if got := strings.Join(faults(e, known, nil), "; "); got != want {
			t.Errorf("%s: got %q, want %q", e, got, want)
		}
	}
}

// promtool is Prometheus' own checker.
func promtool(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(tool(t, "promtool", "apt-get install prometheus"), args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestPrometheusTakesTheRulesAndTheirTestsPass(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", "--lint-fatal", "prometheus/alerts.yaml")
	promtool(t, "test", "rules", "prometheus/alerts_test.yaml")
	promtool(t, "check", "config", "--syntax-only", "prometheus/prometheus.yml")
}

func TestPrometheusTakesEveryOtherExpression(t *testing.T) {
	t.Parallel()
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, e := range slices.Concat(dashboardExpressions(t), scalingExpressions(t)) {
		fmt.Fprintf(&rules, "  - {record: 'panel:%d', expr: %q}\n", i, e.text)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yaml")
	write(t, file, rules.String())
	promtool(t, "check", "rules", file)
}

// Panels that overlap are a mistake in the JSON.
func TestThePanelsOfTheDashboardStandSideBySide(t *testing.T) {
	t.Parallel()
	taken, ids := make(map[[2]int]string), make(map[int]string)
	for _, p := range theDashboard(t).Panels {
		if other := ids[p.ID]; other != "" {
			t.Errorf("%s and %s have the id %d", p.Title, other, p.ID)
		}
		ids[p.ID] = p.Title
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %s: got its right edge at %d, want at most 24", p.Title, p.GridPos.X+p.GridPos.W)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" {
					t.Fatalf("panel %s overlaps panel %s", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
	}
}
