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
		t.Fatalf("got %d stages, want 2", len(from))
	}
	for _, m := range from {
		if !pinned.MatchString(m[1]) {
			t.Errorf("got base image %s, want a pinned version", m[1])
		}
	}
	if last := from[1][1]; !strings.Contains(last, "distroless/static") || !strings.Contains(file, "\nUSER 65532:65532\n") {
		t.Errorf("got the last stage %s, want distroless/static with USER 65532:65532", last)
	}
	if strings.Contains(file, "\nHEALTHCHECK") {
		t.Error("got a HEALTHCHECK, want none: the image has no program that could make the request")
	}
	if module := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "../go.mod"))[1]; from[0][1] < "golang:"+module {
		t.Errorf("got %s, want at least go %s as in go.mod", from[0][1], module)
	}
}

// check.sh runs the build: it takes minutes if nothing is cached.
func TestTheBuildOfTheImageIsStaticAndKnowsItsVersion(t *testing.T) {
	t.Parallel()
	file := read(t, "Dockerfile")
	for _, want := range []string{"CGO_ENABLED=0 ", "go build -trimpath ", "-X main.version=$VERSION", " ./cmd/outgate\n"} {
		if !strings.Contains(file, want) {
			t.Errorf("the Dockerfile has no %q, want it in the build", want)
		}
	}
	if !strings.Contains(read(t, "../cmd/outgate/version.go"), "\nvar version string\n") {
		t.Error("cmd/outgate/version.go has no \"var version string\", want it for -X main.version")
	}
}

// The context has every package of the build, and no files of tests.
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
			t.Errorf("%s is ignored, want it in Dockerfile.dockerignore", path)
		}
		for _, embedded := range fields[1:] {
			if strings.Contains(path+"/"+embedded+"/", "/testdata/") || strings.HasSuffix(embedded, "_test.go") {
				t.Errorf("%s embeds %s, which Dockerfile.dockerignore ignores", path, embedded)
			}
		}
	}
}

func TestSystemdTakesTheUnit(t *testing.T) {
	t.Parallel()
	analyze := tool(t, "systemd-analyze", "apt-get install systemd")
	// outgate is not installed here, so the unit gets a program that is.
	unit := filepath.Join(t.TempDir(), "outgate.service")
	write(t, unit, strings.ReplaceAll(read(t, "systemd/outgate.service"), "/usr/local/bin/outgate", "/bin/true"))
	if out, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "outgate.service") {
		t.Errorf("systemd-analyze verify: got %v, want no complaint:\n%s", err, out)
	}
	// The exposure is at most 1.5 of 10.
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=15", unit).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: got %v, want an exposure of at most 1.5:\n%s", err, out)
	}
}
