package matrix_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/tasks"
)

func BenchmarkSend(b *testing.B) {
	_, ch := homeserver(b, matrixfake.Config{Limits: unlimited})
	m := message(tasks.Send)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Token = "007-" + strconv.Itoa(i)
		if _, err := ch.Send(b.Context(), m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMeasure(b *testing.B) {
	l, _ := length(b)
	var all strings.Builder
	for all.Len() < 256<<10 {
		for _, text := range ordinary {
			all.WriteString(text)
		}
	}
	b.SetBytes(int64(all.Len()))
	b.ReportAllocs()
	for b.Loop() {
		l.Measure(all.String(), tasks.Markdown)
	}
}
