package config_test

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
)

var update = flag.Bool("update", false, "write the golden files of testdata")

const goldenDir = "testdata"

// faultsOf takes the faults out of the error of Parse.
func faultsOf(t testing.TB, err error) []config.Fault {
	t.Helper()
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("error %v joins nothing", err)
	}
	var faults []config.Fault
	for _, err := range joined.Unwrap() {
		var fault config.Fault
		if !errors.As(err, &fault) {
			t.Fatalf("%v is no Fault", err)
		}
		faults = append(faults, fault)
	}
	return faults
}

// everyChannel is what faults list. It stands as CHANNELS in the golden files, so that
// another channel changes none of them.
var everyChannel = strings.Join(slices.Sorted(maps.Keys(channels.Known)), ", ")

// TestParseGolden reads each NN-name.yaml. Its faults are in NN-name.faults;
// one without faults has its print in NN-name.redacted.
func TestParseGolden(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(goldenDir, "*.yaml"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			c, err := config.Load(name, channels.Known, testEnv)
			golden := strings.TrimSuffix(name, ".yaml")
			got := ""
			if err != nil {
				golden += ".faults"
				got = strings.ReplaceAll(err.Error(), goldenDir+"/", "") + "\n"
				got = strings.ReplaceAll(got, everyChannel, "CHANNELS")
				if c != nil {
					t.Error("a configuration with faults")
				}
				faultsOf(t, err)
			} else {
				golden += ".redacted"
				got = redact(t, c)
			}
			if strings.Contains(got, "hunter2") || strings.Contains(got, "whsec") {
				t.Errorf("a secret is printed:\n%s", got)
			}
			compareGolden(t, golden, got)
		})
	}
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v, but got:\n%s", err, got)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func redact(t testing.TB, c *config.Config) string {
	t.Helper()
	text, err := c.Redacted()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// secretsIn puts a secret in the place of each that was left out: not every channel
// takes what stands there instead.
func secretsIn(redacted string) []byte {
	return []byte(strings.ReplaceAll(redacted, "'[redacted]'", "redacted"))
}

// TestRedactedIsAConfigurationAgain reads back what was printed.
func TestRedactedIsAConfigurationAgain(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(goldenDir, "*.redacted"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			c, err := config.Parse(name, secretsIn(string(data)), channels.Known, testEnv)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(data), redact(t, c)); diff != "" {
				t.Errorf("printed again (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	names, err := filepath.Glob(filepath.Join(goldenDir, "*.yaml"))
	if err != nil || len(names) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := config.Parse("testdata/fuzz.yaml", data, channels.Known, testEnv)
		if (c == nil) != (err != nil) {
			t.Fatalf("configuration %v with error %v", c, err)
		}
		lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + 2
		for _, fault := range faultsOf(t, err) {
			if fault.Line < 1 || fault.Line > lines || fault.Column < 1 || fault.Why == "" {
				t.Errorf("%+v in %d lines", fault, lines)
			}
			if strings.ContainsAny(fault.Error(), "\n\r") {
				t.Errorf("a fault of several lines: %q", fault.Error())
			}
		}
		if err != nil {
			return
		}
		if _, err := config.Parse("redacted", secretsIn(redact(t, c)), channels.Known, testEnv); err != nil {
			t.Errorf("the print has faults: %v\n%s", err, redact(t, c))
		}
	})
}

// testEnv is the environment of the tests.
func testEnv(name string) string {
	return map[string]string{
		"REDIS_PASSWORD": "hunter2-redis",
		"HTTP_TOKEN":     "hunter2-token",
		"HOOK_PATH":      "hunter2/path",
		"ORDERS_SECRET":  "hunter2-${HTTP_TOKEN}",
		"XMPP_USER":      "bot",
	}[name]
}
