package examples_test

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// embed runs the go command in the module of an app that embeds a worker, which has what
// any module outside of this one has. It asks no network.
func embed(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = "embed"
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		said := string(out)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			said += string(exit.Stderr)
		}
		t.Fatalf("go %v in docs/examples/embed: %v (if its go.mod is behind, run go mod tidy there)\n%s", args, err, said)
	}
	return string(out)
}

func TestAnAppInAModuleOfItsOwnEmbedsAWorkerWithAChannelOfItsOwn(t *testing.T) {
	want := `delivered as page-1 to oncall:cellar
outbound send to oncall:attic: room_unavailable (terminal, attempt 1 of 5): 409 room_closed the attic is closed
the provider has [{ID:page-1 Text:Water in the cellar}]
`
	if diff := cmp.Diff(want, embed(t, "run", ".")); diff != "" {
		t.Errorf("the program says otherwise (-want +got):\n%s", diff)
	}
}

func TestTheChannelAndTheAppOfTheModulePassTheirTests(t *testing.T) {
	embed(t, "test", "-count=1", "./...")
}
