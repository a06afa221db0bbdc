package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAFaultInAComposeFileIsFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"services: {a: {image: i}}":                "",
		"services: {a: {imagee: i}}":               "imagee",
		"services: {a: {image: i, ports: {a: 1}}}": "ports",
		"services: {a: {image: i, networks: [n]}}": "undefined network",
	} {
		file := filepath.Join(t.TempDir(), "compose.yaml")
		if err := os.WriteFile(file, []byte("name: t\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := composed(t.Context(), file)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestAProgramThatIsNoneIsNotStatic(t *testing.T) {
	t.Parallel()
	if err := static("compose.go"); err == nil {
		t.Error("got no error for a source file, want one")
	}
	if err := static("/bin/sh"); err == nil || !strings.Contains(err.Error(), "dynamic linker") {
		t.Errorf("got %v for a dynamic program, want an error about its dynamic linker", err)
	}
}
