package deploy_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/outgate/outgate/tasks"
)

// shipped is one way to run outgate: its configuration and arguments, the folder of its
// secrets, a bridge to send to, and if KEDA reads its figure.
type shipped struct {
	config  string
	args    []string
	secrets string
	bridge  string
	keda    bool
}

// wordsOf returns the words of a pattern's first group, without quotes and commas.
func wordsOf(t *testing.T, pattern, text string) []string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("got no match of %s, want one", pattern)
	}
	return strings.FieldsFunc(m[1], func(r rune) bool { return strings.ContainsRune(`," `, r) })
}

// withExample adds the bridge that a configuration shows in comments.
func withExample(config string) string {
	before, example, _ := strings.Cut(config, "bridges: []\n")
	return before + "bridges:\n" + strings.ReplaceAll(example, "# ", "  ")
}

// All shipped files work together: redis.conf, users.acl, the files of passwords.sh, and the
// configuration and arguments of each way to run outgate. The test changes only addresses
// and paths.
func TestWhatIsShippedWorksTogether(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]func(t *testing.T) shipped{
		"compose": func(t *testing.T) shipped {
			t.Helper()
			return shipped{read(t, "compose/outgate.yaml"), wordsOf(t, `\nCMD \[(.*)\]\n`, read(t, "Dockerfile")), "/run/secrets/", "sandbox", false}
		},
		"systemd": func(t *testing.T) shipped {
			t.Helper()
			args := wordsOf(t, `\nExecStart=\S+ (.*)\n`, read(t, "systemd/outgate.service"))
			return shipped{withExample(read(t, "systemd/outgate.yaml")), args, "/run/credentials/outgate.service/", "orders", false}
		},
		"chart": func(t *testing.T) shipped {
			t.Helper()
			all := rendered(t, "everything.yaml")
			args := list(at(all.one(t, "Deployment").Spec, "template", "spec", "containers", 0, "args"))
			return shipped{all.one(t, "ConfigMap").Data["outgate.yaml"], args, "/etc/outgate/secrets/", "orders", true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			way(t).works(t)
		})
	}
}

func (s shipped) works(t *testing.T) {
	t.Helper()
	g := newGuarded(t, nil)
	g.redraw("REDIS_ADDR=" + g.Addr)
	write(t, g.file("orders"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	var signed atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Webhook-Signature") != "" {
			signed.Add(1)
		}
	}))
	t.Cleanup(receiver.Close)
	config := g.file("outgate.yaml")
	write(t, config, s.adapted(t, g.dir, receiver.URL))
	pages, log := serve(t, s.argsWith(t, config)...)

	client := tasks.NewClient(g.as(producerUser))
	defer func() { _ = client.Close() }()
	e := tasks.Envelope{BridgeID: s.bridge, ExternalRoomID: "1", Payload: tasks.Text("hello")}
	if sent, err := client.SendMessage(t.Context(), e); err != nil || sent.Attempts != 1 {
		t.Errorf("got %+v, %v, want success at the first attempt:\n%s", sent, err, log)
	}
	if n := signed.Load(); s.bridge == "orders" && n != 1 {
		t.Errorf("got %d signed messages at the receiver, want 1", n)
	}
	doctor, err := outgate(t, []string{"OUTGATE_CONFIG=" + config}, "doctor")
	if err != nil || !strings.Contains(doctor, "\n0 problems, ") {
		t.Errorf("outgate doctor: got %v, want 0 problems:\n%s", err, doctor)
	}

	token := read(t, g.file("http_token"))
	for _, page := range []string{"/healthz", "/readyz"} {
		if status, body := ask(t, pages+page, ""); status != http.StatusOK {
			t.Errorf("%s: got status %d, want 200: %s", page, status, body)
		}
	}
	if status, _ := ask(t, pages+"/metrics", ""); status != http.StatusUnauthorized {
		t.Errorf("/metrics without a token: got status %d, want 401", status)
	}
	if body := get(t, pages+"/metrics", token); !strings.Contains(body, "\noutgate_deliveries_total") {
		t.Errorf("/metrics has no outgate_deliveries_total, want it:\n%s", body)
	}
	if s.keda {
		scales(t, pages, token)
	}
	for _, secret := range []string{"NOPERM", token, g.password(workerUser)} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("got %s in the log, want it absent:\n%s", secret, log)
		}
	}
}

// adapted returns the configuration with this test's paths of secrets and the address of its
// receiver.
func (s shipped) adapted(t *testing.T, secrets, receiver string) string {
	t.Helper()
	if !strings.Contains(s.config, s.secrets) {
		t.Errorf("the configuration names no secret in %s, want one", s.secrets)
	}
	var config map[string]any
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(s.config, s.secrets, secrets+"/")), &config); err != nil {
		t.Fatal(err)
	}
	bridges, _ := config["bridges"].([]any)
	for _, b := range bridges {
		if b, _ := b.(map[string]any); b["url"] != nil {
			b["url"], b["allow_private"] = receiver, true
		}
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// argsWith returns the arguments with the path of this test's configuration.
func (s shipped) argsWith(t *testing.T, config string) []string {
	t.Helper()
	args := append([]string(nil), s.args...)
	for i, arg := range args {
		if strings.HasSuffix(arg, "/outgate.yaml") {
			args[i] = config
			return args
		}
	}
	t.Fatalf("got arguments %q, want one that ends with /outgate.yaml", args)
	return nil
}

// scales reads the figure that KEDA reads, as KEDA does.
func scales(t *testing.T, pages, token string) {
	t.Helper()
	asked := at(rendered(t, "keda-api.yaml").one(t, "ScaledObject").Spec, "triggers", 0, "metadata")
	address, _ := at(asked, "url").(string)
	_, path, _ := strings.Cut(address, ":8080")
	var answer map[string]any
	if err := json.Unmarshal([]byte(get(t, pages+path, token)), &answer); err != nil {
		t.Fatal(err)
	}
	where, _ := at(asked, "valueLocation").(string)
	if _, ok := answer[where].(float64); !ok {
		t.Errorf("%s: got %v, want a number %q", path, answer, where)
	}
	prometheus := at(rendered(t, "everything.yaml").one(t, "ScaledObject").Spec, "triggers", 0, "metadata", "threshold")
	if target := at(asked, "targetValue"); target != "0.9" || prometheus != target {
		t.Errorf("got targets %v and %v, want 0.9 for both", target, prometheus)
	}
}

func TestTheHealthCheckOfComposeGetsItsPong(t *testing.T) {
	t.Parallel()
	tool(t, "redis-cli", "apt-get install redis-tools")
	g := newGuarded(t, nil)
	check := list(at(compose(t), "services", "redis", "healthcheck", "test"))
	if len(check) != 2 || check[0] != "CMD-SHELL" {
		t.Fatalf("got health check %q, want CMD-SHELL and a command", check)
	}
	_, port, _ := net.SplitHostPort(g.Addr)
	shell := func(password string) error {
		line := strings.NewReplacer("$$", "$", "/run/secrets/redis_worker_password", password, "redis-cli ", "redis-cli -p "+port+" ").Replace(check[1])
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
	if err := shell(g.file(workerUser + ".password")); err != nil {
		t.Errorf("health check with the worker's password: got %v, want success", err)
	}
	if shell(g.file(producerUser+".password")) == nil {
		t.Error("health check with another password: got success, want a failure")
	}
}
