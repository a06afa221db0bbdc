package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/outgate/outgate/partition"
)

// TestDoctorKnowsWhatTheScriptsCall keeps its list of rights in step with the scripts.
func TestDoctorKnowsWhatTheScriptsCall(t *testing.T) {
	known := make(map[string]bool)
	for _, line := range slices.Concat(onKeys, once(partition.Keys{Queue: "q"})) {
		command, _, _ := strings.Cut(line, " ")
		known[command] = true
	}
	calls := regexp.MustCompile(`(?:redis\.p?call|call)\(['"]([A-Za-z]+)['"]`)
	files := 0
	for _, pattern := range []string{"../../../../partition/*.lua", "../../../../tasks/*.lua", "../../../../ratelimit/*.lua"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files++
			for _, call := range calls.FindAllStringSubmatch(string(text), -1) {
				if !known[strings.ToUpper(call[1])] {
					t.Errorf("%s calls %s, and the doctor does not ask for the right to", name, call[1])
				}
			}
		}
	}
	if files < 10 {
		t.Errorf("looked at %d scripts", files)
	}
}
