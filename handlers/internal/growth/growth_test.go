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
		t.Error("reading once is steep")
	}
	if !growth.Steep(func(size int) {
		for i := range size {
			strings.Count(text[i:size], "a")
		}
	}) {
		t.Error("reading again from each place is not")
	}
}
