package deploy_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTheImageIsPinnedSmallAndRunByNobody(t *testing.T) {
	t.Parallel()
	file := read(t, "Dockerfile")
	from := regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+)`).FindAllStringSubmatch(file, -1)
	if len(from) != 2 {
		t.Fatalf("%d stages", len(from))
	}
	for _, m := range from {
		if !pinned.MatchString(m[1]) {
			t.Errorf("%s is not pinned", m[1])
		}
	}
	if last := from[1][1]; !strings.Contains(last, "distroless/static") || !strings.Contains(file, "\nUSER 65532:65532\n") {
		t.Errorf("it ends as %s", last)
	}
	if strings.Contains(file, "\nHEALTHCHECK") {
		t.Error("there is no program in the image that could ask")
	}
	if module := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "../go.mod"))[1]; from[0][1] < "golang:"+module {
		t.Errorf("%s cannot build a module of go %s", from[0][1], module)
	}
}

// check.sh runs it; it takes minutes where nothing is cached.
func TestTheBuildOfTheImageIsStaticAndKnowsItsVersion(t *testing.T) {
	t.Parallel()
	file := read(t, "Dockerfile")
	for _, want := range []string{"CGO_ENABLED=0 ", "go build -trimpath ", "-X main.version=$VERSION", " ./cmd/outgate\n"} {
		if !strings.Contains(file, want) {
			t.Errorf("the build is without %q", want)
		}
	}
	if !strings.Contains(read(t, "../cmd/outgate/version.go"), "\nvar version string\n") {
		t.Error("main.version is another thing now")
	}
}

// What the build needs is in its context, and nothing that a test needs.
func TestTheContextOfTheImageHasEveryPackageOfTheCommand(t *testing.T) {
	t.Parallel()
	allowed := make(map[string]bool)
	for line := range strings.Lines(read(t, "Dockerfile.dockerignore")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			allowed[name] = true
		}
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{range .EmbedFiles}} {{.}}{{end}}{{end}}", "../cmd/outgate").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		path, ours := strings.CutPrefix(fields[0], "github.com/outgate/outgate/")
		if !ours {
			continue
		}
		if top, _, _ := strings.Cut(path, "/"); !allowed[top] {
			t.Errorf("%s is kept out", path)
		}
		for _, embedded := range fields[1:] {
			if strings.Contains(path+"/"+embedded+"/", "/testdata/") || strings.HasSuffix(embedded, "_test.go") {
				t.Errorf("%s embeds %s, which is kept out", path, embedded)
			}
		}
	}
}

func TestSystemdTakesTheUnit(t *testing.T) {
	t.Parallel()
	analyze := tool(t, "systemd-analyze", "apt-get install systemd")
	// A program that is there stands in for one that is not installed.
	unit := filepath.Join(t.TempDir(), "outgate.service")
	write(t, unit, strings.ReplaceAll(read(t, "systemd/outgate.service"), "/usr/local/bin/outgate", "/bin/true"))
	if out, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "outgate.service") {
		t.Errorf("%v\n%s", err, out)
	}
	// Exposure 1.5 of 10 at most.
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=15", unit).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
