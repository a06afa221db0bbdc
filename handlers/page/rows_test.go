package page_test

import (
	"testing"

	"github.com/outgate/outgate/handlers/page/chromium"
)

// Two events may have the same time, kind and subject.
func TestRowsWithTheSameKeyDoNotMultiply(t *testing.T) {
	g := newGateway(t, 1)
	b := chromium.New(t)
	b.Look(1400, 900, "light")
	b.Open(g.url)
	got := b.Eval(`import("./assets/render.js").then(({ sync }) => {
		const body = document.createElement("tbody");
		for (let i = 0; i < 5; i++) sync(body, "t-event", ["a", "b", "b"], (item) => item, () => {});
		return [...body.children].map((row) => row.dataset.key).join();
	})`)
	if got != "a,b,b" {
		t.Errorf("got rows %s, want a,b,b", got)
	}
}
