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
			t.Errorf("%s: the image %s is not pinned", name, image)
		}
		for _, port := range list(at(service, "ports")) {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: %s is open to the network", name, port)
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
				t.Errorf("%s: %s: not there, or not read-only (%v)", name, mount, err)
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
			t.Errorf("%s: a password in the command line", name)
		}
	}
	if ports := at(c, "services", "redis", "ports"); ports != nil {
		t.Errorf("Redis is published: %v", ports)
	}
}

// What passwords.sh makes is what compose mounts, for others to read as well: a
// container has a user id of its own.
func TestPasswordsShMakesTheSecretsOfComposeAndKeepsThem(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "secrets")
	draw := func() map[string]string {
		t.Helper()
		if out, err := exec.Command("redis/passwords.sh", dir).CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%v, and it said %q", err, out)
		}
		files := make(map[string]string)
		for _, name := range keys(compose(t)["secrets"]) {
			source, _ := at(compose(t), "secrets", name, "file").(string)
			file := filepath.Join(dir, filepath.Base(source))
			info, err := os.Stat(file)
			if err != nil || info.Mode().Perm() != 0o644 {
				t.Errorf("%s: %v, %v", name, info, err)
				continue
			}
			files[name] = read(t, file)
		}
		return files
	}
	first := draw()
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may look into the folder: %v, %v", info, err)
	}
	for name, text := range draw() {
		if text != first[name] {
			t.Errorf("%s was drawn anew", name)
		}
	}
	if want := "redis://outgate-worker:" + first["redis_worker_password"] + "@redis:6379/0"; first["redis_url"] != want {
		t.Error("redis_url is not the worker's")
	}
	if strings.Contains(first["redis_users"], "#sha256-of") || strings.Contains(first["redis_users"], first["redis_worker_password"]) {
		t.Error("users.acl has a placeholder or a password in it")
	}
}

// Who forgets to replace the placeholders gets no Redis, rather than an open one.
func TestUsersACLIsRefusedUntilItsPasswordsAreReplaced(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("redis-server", "--port", "0", "--unixsocket", filepath.Join(t.TempDir(), "s"), "--save", "",
		"--aclfile", abs(t, "redis/users.acl")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "password hash must be exactly 64 characters") {
		t.Errorf("%v\n%s", err, out)
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
		t.Errorf("Prometheus does not get in: %v", job)
	}
	folder, _ := at(provider, "providers", 0, "options", "path").(string)
	if !slices.ContainsFunc(list(at(c, "services", "grafana", "volumes")), func(mount string) bool {
		return strings.HasPrefix(mount, "./grafana/dashboard.json:"+folder+"/")
	}) {
		t.Errorf("no dashboard is in %s", folder)
	}
	if url := at(source, "datasources", 0, "url"); url != "http://prometheus:9090" || at(c, "services", "prometheus") == nil {
		t.Errorf("Grafana asks %v", url)
	}
	if command := list(at(c, "services", "redis", "command")); !slices.Contains(command, "/etc/redis/redis.conf") ||
		at(c, "services", "redis", "secrets", 0, "target") != "/etc/redis/users.acl" ||
		!strings.Contains(read(t, "redis/redis.conf"), "\naclfile /etc/redis/users.acl\n") {
		t.Error("Redis does not have its configuration and its users")
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
