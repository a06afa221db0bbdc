package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func compose(t *testing.T) map[string]any {
	t.Helper()
	var c map[string]any
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func list(v any) []string {
	items, _ := v.([]any)
	var all []string
	for _, item := range items {
		if s, ok := item.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func keys(v any) []string {
	m, _ := v.(map[string]any)
	var all []string
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// pinned is an image with a version in its tag.
var pinned = regexp.MustCompile(`^[^:@\s]+:(nonroot|v?\d[\w.-]*)$`)

func TestComposeMountsWhatIsThereAndPublishesNothingToOthers(t *testing.T) {
	t.Parallel()
	c := compose(t)
	for _, name := range keys(c["services"]) {
		service := at(c, "services", name)
		if image, _ := at(service, "image").(string); image != "outgate:local" && !pinned.MatchString(image) {
			t.Errorf("%s: got image %s, want a pinned version", name, image)
		}
		for _, port := range list(at(service, "ports")) {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: got port %s, want it on 127.0.0.1", name, port)
			}
		}
		for _, mount := range list(at(service, "volumes")) {
			source, _, _ := strings.Cut(mount, ":")
			if !strings.HasPrefix(source, ".") {
				if !slices.Contains(keys(c["volumes"]), source) {
					t.Errorf("%s: there is no volume %s", name, source)
				}
				continue
			}
			if _, err := os.Stat(source); err != nil || !strings.HasSuffix(mount, ":ro") {
				t.Errorf("%s: got mount %s (%v), want a file that exists, read-only", name, mount, err)
			}
		}
		for _, secret := range list(at(service, "secrets")) {
			if !slices.Contains(keys(c["secrets"]), secret) {
				t.Errorf("%s: there is no secret %s", name, secret)
			}
		}
		for _, network := range list(at(service, "networks")) {
			if !slices.Contains(keys(c["networks"]), network) {
				t.Errorf("%s: there is no network %s", name, network)
			}
		}
		if name != "outgate" && strings.Contains(strings.ToLower(strings.Join(list(at(service, "command")), " ")), "password") {
			t.Errorf("%s: got a password in the command line, want none", name)
		}
	}
	if ports := at(c, "services", "redis", "ports"); ports != nil {
		t.Errorf("got published ports %v of Redis, want none", ports)
	}
}

// passwords.sh makes the files that compose mounts. All may read them, because a container
// has its own user id.
func TestPasswordsShMakesTheSecretsOfComposeAndKeepsThem(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "secrets")
	draw := func() map[string]string {
		t.Helper()
		if out, err := exec.Command("redis/passwords.sh", dir).CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("passwords.sh: got %v and output %q, want success and no output", err, out)
		}
		files := make(map[string]string)
		for _, name := range keys(compose(t)["secrets"]) {
			source, _ := at(compose(t), "secrets", name, "file").(string)
			file := filepath.Join(dir, filepath.Base(source))
			info, err := os.Stat(file)
			if err != nil || info.Mode().Perm() != 0o644 {
				t.Errorf("%s: got %v, %v, want a file of mode 644", name, info, err)
				continue
			}
			files[name] = read(t, file)
		}
		return files
	}
	first := draw()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got folder %v, %v, want mode 700", info, err)
	}
	for name, text := range draw() {
		if text != first[name] {
			t.Errorf("got a new %s at the second run, want the first one", name)
		}
	}
	if want := "redis://outgate-worker:" + first["redis_worker_password"] + "@redis:6379/0"; first["redis_url"] != want {
		t.Error("got another redis_url, want the worker's user and password at redis:6379")
	}
	if strings.Contains(first["redis_users"], "#sha256-of") || strings.Contains(first["redis_users"], first["redis_worker_password"]) {
		t.Error("got a placeholder or a password in users.acl, want hashes only")
	}
}

// If an operator forgets to replace the placeholders, Redis does not start. It must not
// start open.
func TestUsersACLIsRefusedUntilItsPasswordsAreReplaced(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("redis-server", "--port", "0", "--unixsocket", filepath.Join(t.TempDir(), "s"), "--save", "",
		"--aclfile", abs(t, "redis/users.acl")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "password hash must be exactly 64 characters") {
		t.Errorf("redis-server with placeholders: got %v, want a refusal of the hashes:\n%s", err, out)
	}
}

func TestThePartsOfComposeFindEachOther(t *testing.T) {
	t.Parallel()
	c := compose(t)
	var prometheus, provider, source map[string]any
	for file, into := range map[string]*map[string]any{
		"prometheus/prometheus.yml": &prometheus, "grafana/provisioning/dashboards/outgate.yaml": &provider,
		"grafana/provisioning/datasources/prometheus.yaml": &source,
	} {
		if err := yaml.Unmarshal([]byte(read(t, file)), into); err != nil {
			t.Fatal(err)
		}
	}
	job := at(prometheus, "scrape_configs", 0)
	if at(job, "job_name") != "outgate" || at(job, "authorization", "credentials_file") != "/run/secrets/http_token" ||
		!slices.Contains(list(at(c, "services", "prometheus", "secrets")), "http_token") {
		t.Errorf("got scrape job %v, want outgate's with its token", job)
	}
	folder, _ := at(provider, "providers", 0, "options", "path").(string)
	if !slices.ContainsFunc(list(at(c, "services", "grafana", "volumes")), func(mount string) bool {
		return strings.HasPrefix(mount, "./grafana/dashboard.json:"+folder+"/")
	}) {
		t.Errorf("got no dashboard in %s, want one mounted there", folder)
	}
	if url := at(source, "datasources", 0, "url"); url != "http://prometheus:9090" || at(c, "services", "prometheus") == nil {
		t.Errorf("got Grafana's data source %v, want http://prometheus:9090", url)
	}
	if command := list(at(c, "services", "redis", "command")); !slices.Contains(command, "/etc/redis/redis.conf") ||
		at(c, "services", "redis", "secrets", 0, "target") != "/etc/redis/users.acl" ||
		!strings.Contains(read(t, "redis/redis.conf"), "\naclfile /etc/redis/users.acl\n") {
		t.Error("got no redis.conf or users.acl for Redis, want both mounted and used")
	}
}

func abs(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
