package deploy_test

import (
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

const chart = "helm/outgate"

// manifest is the part of a Kubernetes object that these tests read. deploy/check checks
// that a cluster accepts the objects.
type manifest struct {
	Kind     string                `yaml:"kind"`
	Metadata struct{ Name string } `yaml:"metadata"`
	Data     map[string]string     `yaml:"data"`
	Spec     map[string]any        `yaml:"spec"`
}

type manifests []manifest

func (all manifests) one(t *testing.T, kind string) manifest {
	t.Helper()
	i := slices.IndexFunc(all, func(m manifest) bool { return m.Kind == kind })
	if i < 0 {
		t.Fatalf("got no %s, want one", kind)
	}
	return all[i]
}

// at follows keys and indexes into a decoded YAML value. It returns nil if one is missing.
func at(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}

func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(tool(t, "helm", "go install helm.sh/helm/v3/cmd/helm@v3.20.2"), args...)
	var text, faults strings.Builder
	cmd.Stdout, cmd.Stderr = &text, &faults
	if err := cmd.Run(); err != nil {
		return "", errors.New(faults.String())
	}
	return text.String(), nil
}

// render renders the chart with these values; further arguments are helm's.
func render(t *testing.T, values string, args ...string) (manifests, error) {
	t.Helper()
	text, err := helm(t, slices.Concat([]string{
		"template", "release", chart, "--namespace", "outgate", "--kube-version", "1.31.0", "-f", chart + "/ci/" + values,
	}, args)...)
	if err != nil {
		return nil, err
	}
	var all manifests
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var m manifest
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			t.Fatal(err)
		}
		if m.Kind != "" {
			all = append(all, m)
		}
	}
}

func rendered(t *testing.T, values string, args ...string) manifests {
	t.Helper()
	all, err := render(t, values, args...)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheChartMakesWhatItsValuesSay(t *testing.T) {
	t.Parallel()
	for values, want := range map[string][]string{
		"minimal.yaml":    {"ConfigMap", "Deployment", "NetworkPolicy", "Pod", "PodDisruptionBudget", "Service", "ServiceAccount"},
		"everything.yaml": {"ConfigMap", "ConfigMap", "Deployment", "NetworkPolicy", "Pod", "PodDisruptionBudget", "PrometheusRule", "ScaledObject", "Service", "ServiceAccount", "ServiceMonitor"},
		"keda-api.yaml":   {"ConfigMap", "Deployment", "NetworkPolicy", "Pod", "PodDisruptionBudget", "ScaledObject", "Service", "ServiceAccount", "TriggerAuthentication"},
		"hpa.yaml":        {"Deployment", "HorizontalPodAutoscaler", "Pod", "Service"},
	} {
		if _, err := helm(t, "lint", "--strict", "--kube-version", "1.31.0", "-f", chart+"/ci/"+values, chart); err != nil {
			t.Errorf("%s: %v", values, err)
		}
		var kinds []string
		all := rendered(t, values)
		for _, m := range all {
			kinds = append(kinds, m.Kind)
		}
		slices.Sort(kinds)
		if d := cmp.Diff(want, kinds); d != "" {
			t.Errorf("%s: kinds (-want +got):\n%s", values, d)
		}
		replicas := at(all.one(t, "Deployment").Spec, "replicas")
		if scaled := values != "minimal.yaml"; scaled != (replicas == nil) {
			t.Errorf("%s: got replicas %v, want a number only if nothing else scales", values, replicas)
		}
	}
}

func TestAPodOfTheChartCanStopInPeaceAndAnswersItsProbes(t *testing.T) {
	t.Parallel()
	all := rendered(t, "everything.yaml")
	pod := at(all.one(t, "Deployment").Spec, "template", "spec")
	var config struct {
		Worker struct {
			ShutdownTimeout string `yaml:"shutdown_timeout"`
		} `yaml:"worker"`
	}
	if err := yaml.Unmarshal([]byte(all.one(t, "ConfigMap").Data["outgate.yaml"]), &config); err != nil {
		t.Fatal(err)
	}
	timeout, err := time.ParseDuration(config.Worker.ShutdownTimeout)
	if err != nil {
		t.Fatal(err)
	}
	if grace, _ := at(pod, "terminationGracePeriodSeconds").(int); time.Duration(grace)*time.Second < timeout+10*time.Second {
		t.Errorf("got a grace period of %d s, want ten seconds above the shutdown timeout of %s", grace, timeout)
	}
	container := at(pod, "containers", 0)
	for probe, path := range map[string]string{"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"} {
		if got := at(container, probe, "httpGet", "path"); got != path {
			t.Errorf("%s: got path %v, want %s", probe, got, path)
		}
	}
	for _, m := range all {
		if m.Kind == "NetworkPolicy" && len(at(m.Spec, "ingress").([]any)) != 1 {
			t.Error("got another number of ingress rules, want one for Prometheus")
		}
	}
	if ingress := at(rendered(t, "minimal.yaml").one(t, "NetworkPolicy").Spec, "ingress").([]any); len(ingress) != 0 {
		t.Errorf("got ingress rules %v by default, want none", ingress)
	}
}

func TestTheChartRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ set, want string }{
		"no secret":                        {"existingSecret=", "existingSecret: name a Secret"},
		"a pod that is killed too early":   {"terminationGracePeriodSeconds=39", "terminationGracePeriodSeconds: want at least 40"},
		"one that stops for a minute":      {"config.worker.shutdown_timeout=1m", "terminationGracePeriodSeconds: want at least 70"},
		"one that stops for longer":        {"config.worker.shutdown_timeout=1h1m1s", "terminationGracePeriodSeconds: want at least 3671"},
		"a time of another form":           {"config.worker.shutdown_timeout=1.5m", "config.worker.shutdown_timeout: want whole"},
		"a minimum above the maximum":      {"autoscaling.hpa.enabled=true,autoscaling.minReplicas=9", "minReplicas is above maxReplicas"},
		"pages that no probe reaches":      {"config.http.addr=127.0.0.1:8080", "addr"},
		"two autoscalers":                  {"autoscaling.keda.enabled=true,autoscaling.hpa.enabled=true", "enable keda or hpa, not both"},
		"a value that does not exist":      {"replicas=3", "replicas"},
		"a nested one that does not exist": {"networkPolicy.enable=false", "enable"},
		"a token in the open":              {"config.http.token=x", "http"},
		"a bridge's secret in the open":    {"config.bridges[0].id=a,config.bridges[0].channel=webhook,config.bridges[0].secret=x", "bridges"},
		"a password in the open":           {"config.redis.url=redis://u:p@h:6379", "redis"},
		"a port that probes do not ask":    {"config.http.addr=0.0.0.0:9000", "addr"},
		"an invalid digest":                {"image.digest=latest", "digest"},
	} {
		if _, err := render(t, "minimal.yaml", "--set", c.set); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestTheChartHasTheRulesAndTheDashboardOfThisFolder(t *testing.T) {
	t.Parallel()
	all := rendered(t, "everything.yaml")
	var want any
	if err := yaml.Unmarshal([]byte(read(t, "prometheus/alerts.yaml")), &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, any(all.one(t, "PrometheusRule").Spec)); d != "" {
		t.Errorf("rules of the chart (-want +got):\n%s", d)
	}
	i := slices.IndexFunc(all, func(m manifest) bool { return m.Data["outgate.json"] != "" })
	if i < 0 || strings.TrimSpace(all[i].Data["outgate.json"]) != strings.TrimSpace(read(t, "grafana/dashboard.json")) {
		t.Error("got another dashboard in the chart, want grafana/dashboard.json")
	}
}

func TestOutgateTakesTheConfigurations(t *testing.T) {
	t.Parallel()
	secrets := draw(t)
	write(t, secrets.file("orders"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	configs := map[string]string{
		"compose": read(t, "compose/outgate.yaml"),
		"systemd": read(t, "systemd/outgate.yaml"),
	}
	for _, values := range []string{"minimal.yaml", "everything.yaml"} {
		configs["chart with "+values] = rendered(t, values).one(t, "ConfigMap").Data["outgate.yaml"]
	}
	mounts := strings.NewReplacer("/run/secrets/", secrets.dir+"/", "/etc/outgate/secrets/", secrets.dir+"/",
		"/run/credentials/outgate.service/", secrets.dir+"/")
	for name, config := range configs {
		file := filepath.Join(t.TempDir(), "outgate.yaml")
		write(t, file, mounts.Replace(config))
		if out, err := outgate(t, nil, "config", "check", file); err != nil {
			t.Errorf("%s: config check: got %v, want success:\n%s", name, err, out)
		}
	}
}
