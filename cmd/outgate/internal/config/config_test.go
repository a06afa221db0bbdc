package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/ratelimit"
)

func mustParse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse(filepath.Join(goldenDir, "test.yaml"), []byte(text), channels.Known, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNoPathGivesTheDefaults(t *testing.T) {
	c, err := config.Load("", channels.Known, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	empty := mustParse(t, "")
	if diff := cmp.Diff(redact(t, empty), redact(t, c)); diff != "" {
		t.Errorf("an empty file differs (-empty +none):\n%s", diff)
	}
	if got := c.Redis.URL.Reveal(); got != "redis://127.0.0.1:6379/0" {
		t.Errorf("redis.url = %q", got)
	}
}

func TestLoadSaysWhichFileIsMissing(t *testing.T) {
	_, err := config.Load("no-such.yaml", channels.Known, testEnv)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no-such.yaml") {
		t.Errorf("error = %v", err)
	}
}

func TestSecretsAreFound(t *testing.T) {
	dir := t.TempDir()
	absolute := filepath.Join(dir, "secret")
	if err := os.WriteFile(absolute, []byte("by its whole path\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addressFile := filepath.Join(dir, "url")
	if err := os.WriteFile(addressFile, []byte("rediss://:pw@h\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, `
redis: {url_file: `+addressFile+`}
http: {token: "a ${HTTP_TOKEN} $HOME b"}
bridges:
  - {id: a, channel: webhook, url: "http://x/${HOOK_PATH}", secret_file: secrets/orders}
  - {id: b, channel: webhook, url: "http://x", secret_file: ./secrets/crlf}
  - {id: c, channel: webhook, url: "http://x", secret_file: `+absolute+`}
  - {id: d, channel: webhook, url: "http://x", secret: "${ORDERS_SECRET}"}
`)
	got := []string{c.Redis.URL.Reveal(), c.HTTP.Token.Reveal(), c.Bridges[0].Values.Reveal("url")}
	for _, b := range c.Bridges {
		got = append(got, b.Values.Reveal("secret"))
	}
	want := []string{
		"rediss://:pw@h", "a hunter2-token $HOME b", "http://x/hunter2/path",
		"whsec_ZnJvbV9hX2ZpbGU=", "a token", "by its whole path", "hunter2-${HTTP_TOKEN}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
}

func TestALargeSecretFileIsRefused(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(name, make([]byte, config.MaxSecretFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Parse("c.yaml", []byte("http: {token_file: "+name+"}"), channels.Known, testEnv)
	if err == nil || !strings.Contains(err.Error(), "c.yaml:1:20: http.token_file: ") || !strings.Contains(err.Error(), "is larger than 65536 bytes") {
		t.Errorf("error = %v", err)
	}
}

func TestABridgesPolicyIsTheGlobalOneWithItsOwnOverIt(t *testing.T) {
	// The bridges stand before the policy they are merged with.
	c := mustParse(t, `
bridges:
  - {id: plain, channel: sandbox}
  - {id: own, channel: sandbox, timeout: 2s, delivery: {max_attempts: 3, on_failure: hold}}
delivery: {max_attempts: 7, max_backoff: 1m, on_ambiguous: fail}
`)
	global := config.Policy{
		MaxAttempts: 7, BaseBackoff: 500 * time.Millisecond, MaxBackoff: time.Minute,
		Timeout: 15 * time.Second, OnAmbiguous: "fail", OnFailure: "skip",
	}
	own := global
	own.MaxAttempts, own.OnFailure, own.Timeout = 3, "hold", 2*time.Second
	got := []config.Policy{c.Delivery.Policy, c.Bridges[0].Delivery, c.Bridges[1].Delivery}
	if diff := cmp.Diff([]config.Policy{global, global, own}, got); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
}

func TestLimitsAndRulesAreParsed(t *testing.T) {
	c := mustParse(t, `
bridges:
  - id: a
    channel: sandbox
    limits: {bridge: "", room: "1/1s 20/60s"}
    classify: [{status: 403, contains: flood, category: retryable, after: 30s}]
`)
	b := c.Bridges[0]
	limits := config.BridgeLimits{Room: config.Limits{{N: 1, Window: time.Second}, {N: 20, Window: time.Minute}}}
	if diff := cmp.Diff(limits, b.Limits); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	rules := classify.Rules{{Status: 403, Contains: "flood", Category: classify.Retryable, After: 30 * time.Second}}
	if diff := cmp.Diff(rules, b.Classify); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

func TestFaultsOfLimitsAndRulesAreTheirOwn(t *testing.T) {
	_, parseErr := ratelimit.ParseLimits("5/s")
	_, err := config.Parse("c.yaml", []byte(`bridges:
- id: a
  channel: sandbox
  limits: {room: 5/s}
  classify:
  - {category: terminal}
  - {status: 500, category: sometimes}
`), channels.Known, testEnv)
	got := faultsOf(t, err)
	if len(got) != 3 {
		t.Fatalf("faults = %v, want three", got)
	}
	if want := (config.Fault{"c.yaml", 4, 18, "bridges[0].limits.room", parseErr.Error()}); got[0] != want {
		t.Errorf("fault = %v, want %v", got[0], want)
	}
	for i, want := range []config.Fault{
		{"c.yaml", 6, 5, "bridges[0].classify[0].status", "condition"},
		{"c.yaml", 7, 29, "bridges[0].classify[1].category", "sometimes"},
	} {
		fault := got[i+1]
		if !strings.Contains(fault.Why, want.Why) {
			t.Errorf("fault = %v, want one about %q", fault, want.Why)
		}
		want.Why = fault.Why
		if fault != want {
			t.Errorf("fault = %v, want %v", fault, want)
		}
	}
}

func TestEachChannelTakesItsOwnCredentials(t *testing.T) {
	channels := map[string]provider.Spec{
		"telegram": {Keys: []provider.Key{{Name: "token", Kind: provider.Secret, Needed: true}}},
		"xmpp": {Keys: []provider.Key{
			{Name: "jid", Needed: true}, {Name: "password", Kind: provider.Secret, Needed: true}, {Name: "server"},
		}},
	}
	c, found := config.Read(filepath.Join(goldenDir, "c.yaml"), []byte(`bridges:
- {id: t, channel: telegram, token_file: secrets/orders}
- {id: x, channel: xmpp, jid: a@b, password: "${HTTP_TOKEN}", server: "b:5222"}
- {id: y, channel: xmpp, jid: a@b, token: x}
- {id: z, channel: webhook}
- {id: v, channel: xmpp, jid: "${XMPP_USER}@b", password: x, server_file: secrets/orders}
- {id: w, channel: xmpp, jid_file: secrets/orders, password: x, server: "${HTTP_TOKEN}:5222"}
- {id: u, channel: xmpp, jid: "${NOT_SET}", password: x, server_file: secrets/empty}
`), channels, testEnv, nil)
	faults := `c.yaml:4:3: bridges[2].password: missing; channel xmpp needs it
c.yaml:4:43: bridges[2].token: channel xmpp does not use it
c.yaml:5:20: bridges[3].channel: "webhook" is none of telegram, xmpp
c.yaml:8:31: bridges[6].jid: not set in the environment: NOT_SET
c.yaml:8:71: bridges[6].server_file: "secrets/empty" is empty`
	err := config.Join(found)
	if err == nil || strings.ReplaceAll(err.Error(), goldenDir+"/", "") != faults {
		t.Errorf("faults (-want +got):\n%s", cmp.Diff(faults, fmt.Sprint(err)))
	}
	value := func(i int, key string) string { return c.Bridges[i].Values.Reveal(key) }
	got := []string{value(0, "token"), value(1, "jid"), value(1, "password"), value(1, "server")}
	got = append(got, value(4, "jid"), value(4, "server"), value(5, "jid"), value(5, "server"))
	want := []string{
		"whsec_ZnJvbV9hX2ZpbGU=", "a@b", "hunter2-token", "b:5222",
		"bot@b", "whsec_ZnJvbV9hX2ZpbGU=", "whsec_ZnJvbV9hX2ZpbGU=", "hunter2-token:5222",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}
}

func TestALoopbackAddressNeedsNoToken(t *testing.T) {
	for addr, loopback := range map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:80": true, "[::1]:80": true, "localhost:0": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "example.com:80": false,
	} {
		_, err := config.Parse("c.yaml", fmt.Appendf(nil, "http: {addr: %q}", addr), channels.Known, testEnv)
		if (err == nil) != loopback {
			t.Errorf("%s: error = %v, want one: %v", addr, err, !loopback)
		}
		if _, err := config.Parse("c.yaml", fmt.Appendf(nil, "http: {addr: %q, token: x}", addr), channels.Known, testEnv); err != nil {
			t.Errorf("%s with a token: %v", addr, err)
		}
	}
	for _, addr := range []string{"localhost", "localhost:http", "localhost:65536", "localhost:-1", ""} {
		if _, err := config.Parse("c.yaml", fmt.Appendf(nil, "http: {addr: %q, token: x}", addr), channels.Known, testEnv); err == nil {
			t.Errorf("%q is taken", addr)
		}
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	type holder struct {
		Secret config.Secret
		URL    config.SecretURL
		inside config.Secret
		Inner  struct{ url config.SecretURL }
	}
	url := config.NewSecretURL("https://hunter2:hunter2@example.com/hunter2?hunter2#hunter2")
	h := holder{Secret: config.NewSecret("hunter2"), URL: url, inside: config.NewSecret("hunter2")}
	h.Inner.url = url
	prints := map[string]string{
		"String": h.Secret.String() + h.URL.String(), "GoString": h.Secret.GoString() + h.URL.GoString(),
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		prints[verb] = fmt.Sprintf(verb, h.Secret) + fmt.Sprintf(verb, h.URL)
		prints["struct "+verb] = fmt.Sprintf(verb, h)
	}
	for name, marshal := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal} {
		text, err := marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		prints[name] = string(text)
		if !strings.Contains(prints[name], "[redacted]") || !strings.Contains(prints[name], "https://example.com/[redacted]") {
			t.Errorf("%s prints %q", name, prints[name])
		}
	}
	for name, text := range prints {
		// The hexadecimal verbs would print 68756e74657232.
		if strings.Contains(text, "hunter2") || strings.Contains(strings.ToLower(text), "68756e74") {
			t.Errorf("%s prints %q", name, text)
		}
	}
}

func TestSecretURLShowsWhereItGoes(t *testing.T) {
	tests := map[string]string{
		"redis://127.0.0.1:6379/0":                           "redis://127.0.0.1:6379/0",
		"rediss://user:hunter2@h:1/2?password=hunter2":       "rediss://h:1/2",
		"redis+sentinel://:hunter2@a:1,b:2,c:3/0?master=m":   "redis+sentinel://a:1,b:2,c:3/0",
		"redis://:hun,ter2@h":                                "redis://h",
		"redis://user:12/hunter2@h/0":                        "[redacted]",
		"redis://:hunter2":                                   "[redacted]",
		"https://example.com":                                "https://example.com",
		"https://example.com/":                               "https://example.com",
		"https://example.com/services/hunter2":               "https://example.com/[redacted]",
		"https://user:hunter2@example.com?key=hunter2#there": "https://example.com",
		"":                                   "[redacted]",
		"no address":                         "[redacted]",
		"http://%zz":                         "[redacted]",
		"gopher://example.com/hunter2/paths": "gopher://example.com/[redacted]",
	}
	for address, want := range tests {
		if got := config.NewSecretURL(address).String(); got != want {
			t.Errorf("%q prints %q, want %q", address, got, want)
		}
	}
}

func TestRedisAddresses(t *testing.T) {
	for address, good := range map[string]bool{
		"redis://h": true, "rediss://u:p@h:1/0": true, "redis+sentinel://a:1,b:2/0?master=m": true,
		"redis+cluster://a:1,b:2": true, "rediss+cluster://a": true,
		"redis://h/x": false, "redis://a:1,b:2": false, "redis+sentinel://a:1": false, "redis+cluster://a:1/3": false,
		"h:6379": false, "redis:///0": false, "unix:///tmp/redis.sock": false, "http://h": false,
	} {
		_, err := config.Parse("c.yaml", fmt.Appendf(nil, "redis: {url: %q}", address), channels.Known, testEnv)
		if (err == nil) != good {
			t.Errorf("%s: error = %v", address, err)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"max_attempts", "max_backoff", "timeout", "id"}
	for unknown, want := range map[string]string{
		"max_atempts": "max_attempts", "maxAttempts": "max_attempts", "time_out": "timeout", "idd": "id",
		"x": "", "retries": "", "": "", strings.Repeat("timeout", 10): "",
	} {
		if got := config.Nearest(unknown, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", unknown, got, want)
		}
	}
}

func ExampleParse() {
	_, err := config.Parse("outgate.yaml", []byte(`
partitions: {count: 0, capcity: 5}
bridges:
  - id: orders
    channel: webhook
    secret: "${ORDERS_SECRET}"
`), channels.Known, func(string) string { return "" })
	fmt.Println(err)
	// Output:
	// outgate.yaml:2:21: partitions.count: 0 is not between 1 and 256
	// outgate.yaml:2:24: partitions.capcity: unknown key; did you mean capacity?
	// outgate.yaml:4:5: bridges[0].url: missing; channel webhook needs it
	// outgate.yaml:6:13: bridges[0].secret: not set in the environment: ORDERS_SECRET
}

func ExampleConfig_Redacted() {
	c, err := config.Parse("outgate.yaml", []byte(`http: {token: "very secret"}`), channels.Known, os.Getenv)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := c.Redacted()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.Join(strings.Split(string(text), "\n")[:6], "\n"))
	// Output:
	// redis:
	//     url: redis://127.0.0.1:6379/0
	// http:
	//     addr: 127.0.0.1:8080
	//     token: '[redacted]'
	//     asynqmon: read
}

func TestAnErrorOfAChannelThatNamesNoFieldIsOneOfTheChannel(t *testing.T) {
	key, why := config.ChannelFault(errors.New("no key"))
	if key != "channel" || why != "no key" {
		t.Errorf("another error is %s: %s", key, why)
	}
}
