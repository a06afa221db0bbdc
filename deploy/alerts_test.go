package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// tool finds a program that a test needs. If it is missing, the test is skipped, and in CI
// it fails.
func tool(t *testing.T, name, how string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if path, err := filepath.Abs("../bin/" + name); err == nil {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed, and CI needs it: %s", name, how)
	}
	t.Skipf("NOT CHECKED: %s is not installed (%s)", name, how)
	return ""
}

func TestEveryAlertIsTestedBothWays(t *testing.T) {
	t.Parallel()
	var tests struct {
		Tests []struct {
			Rules []struct {
				Name     string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "prometheus/alerts_test.yaml")), &tests); err != nil {
		t.Fatal(err)
	}
	fires, silent := make(map[string]bool), make(map[string]bool)
	for _, test := range tests.Tests {
		for _, r := range test.Rules {
			if len(r.Expected) > 0 {
				fires[r.Name] = true
			} else {
				silent[r.Name] = true
			}
		}
	}
	for _, g := range alerts(t).Groups {
		for _, r := range g.Rules {
			if r.Alert != "" && (!fires[r.Alert] || !silent[r.Alert]) {
				t.Errorf("%s: got a test that it fires: %t, that it stays silent: %t; want both", r.Alert, fires[r.Alert], silent[r.Alert])
			}
		}
	}
}

func TestEveryAlertHasItsSectionInTheRunbooks(t *testing.T) {
	t.Parallel()
	sections := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(read(t, "../docs/runbooks.md"), -1) {
		sections[m[1]] = true
	}
	for _, g := range alerts(t).Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			want := "https://github.com/outgate/outgate/blob/main/docs/runbooks.md#" + strings.ToLower(r.Alert)
			if r.Annotations["runbook_url"] != want {
				t.Errorf("%s: got runbook_url %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
			}
			if s := r.Labels["severity"]; s != "page" && s != "ticket" {
				t.Errorf("%s: got severity %q, want page or ticket", r.Alert, s)
			}
			if !sections[r.Alert] {
				t.Errorf("docs/runbooks.md has no section %s, want one for each alert", r.Alert)
			}
			delete(sections, r.Alert)
		}
	}
	for s := range sections {
		t.Errorf("docs/runbooks.md has a section %s, but there is no such alert", s)
	}
}

func TestTheCommandsOfTheRunbooksExist(t *testing.T) {
	t.Parallel()
	found := 0
	help := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^outgate ([^\n|]*)|`outgate ([^`]*)`").FindAllStringSubmatch(read(t, "../docs/runbooks.md"), -1) {
		var names, flags []string
		for word := range strings.FieldsSeq(m[1] + m[2]) {
			switch {
			case strings.HasPrefix(word, "--"):
				flags = append(flags, word)
			case len(flags) == 0 && regexp.MustCompile(`^[a-z-]+$`).MatchString(word):
				names = append(names, word)
			}
		}
		name := strings.Join(names, " ")
		if help[name] == "" {
			out, err := outgate(t, nil, append(names, "--help")...)
			if err != nil || !strings.Contains(out, "\n  outgate "+name+" ") {
				t.Errorf("outgate %s --help: got %v, want its usage:\n%s", name, err, out)
			}
			help[name] = out
		}
		for _, flag := range flags {
			if !strings.Contains(help[name], flag+" ") {
				t.Errorf("outgate %s has no flag %s", name, flag)
			}
		}
		found++
	}
	if found < 15 {
		t.Errorf("got %d commands in docs/runbooks.md, want at least 15", found)
	}
}
