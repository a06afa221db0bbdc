//go:build unix

package growth_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/internal/growth"
)

func TestWorkThatGrowsFasterThanItsInputIsSteep(t *testing.T) {
	text := strings.Repeat("a", 16<<12)
	if growth.Steep(func(size int) { strings.Count(text[:size], "a") }) {
		t.Error("got steep for linear work, want not steep")
	}
	sum := 0
	if !growth.Steep(func(size int) {
		for i := range size / 4 {
			for j := range size / 4 {
				sum += i ^ j
			}
		}
	}) {
		t.Errorf("got not steep for quadratic work, want steep (%d)", sum)
	}
}
