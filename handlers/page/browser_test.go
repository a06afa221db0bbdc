package page_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/page/chromium"
	"github.com/outgate/outgate/handlers/sandbox"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// busyGateway has at least one of everything that the page shows.
func busyGateway(t *testing.T, partitions int) *gateway {
	t.Helper()
	slow := bridge("alerts-slack", func(b *handlers.Bridge) {
		b.Policy.Backoff.Base, b.Policy.Backoff.Max, b.Policy.MaxAttempts = 20*time.Second, 20*time.Second, 5
	})
	g := newGateway(t, partitions, bridge("orders", limited("30/1s")), slow, bridge("support-tg", holding), bridge("newsletter", limited("2/60s 40/3600s")), bridge("broken"))
	g.Work()
	var settled, waiting []tasks.Envelope
	for i := range 30 {
		settled = append(settled, send("orders", fmt.Sprintf("customer-%d", i), `{"fail":"terminal"}`))
		waiting = append(waiting, send("newsletter", fmt.Sprintf("reader-%02d@example.org", i), ""), send("newsletter", fmt.Sprintf("reader-%02d@example.org", i), ""))
	}
	for i := range 6 {
		waiting = append(waiting, send("alerts-slack", fmt.Sprintf("C0%d", i), `{"fail":"retryable"}`))
		waiting = append(waiting, send("support-tg", fmt.Sprintf("-10012345%d", i), `{"fail":"terminal"}`), send("support-tg", fmt.Sprintf("-10012345%d", i), ""))
		waiting = append(waiting, send("broken", fmt.Sprintf("x%d", i), `{"fail":"fatal"}`))
		settled = append(settled, send("alerts-slack", fmt.Sprintf("D0%d", i), `{"panic":true,"times":0}`))
	}
	for i := range settled[30:] {
		settled[30+i].MaxAttempts = 1
	}
	g.EnqueueBatch(waiting...)
	g.Outcomes(g.EnqueueBatch(settled...)...)
	return g
}

func TestThePageShowsWhatHappens(t *testing.T) {
	g := busyGateway(t, 256)
	b := chromium.New(t)
	b.Look(1400, 900, "light")
	g.Enqueue(send("orders", "busy", `{"throttle_ms":30000}`))
	b.Open(g.url)
	b.Shows("#bridges tr[data-key=orders]", "3.2 % of 31")
	b.Shows("#events", "bridge suspended")
	b.Shows("#groups", "rejected")
	b.Shows("#rooms", "a rate limit")
	b.Shows("#bridges tr[data-key=broken]", "suspended")
	b.Shows("#now", "of 256,000")
	b.Until(`document.querySelector("#map .cell[data-state=throttled]")`)
	b.Until(`document.querySelectorAll("#map .cell").length === 256`)
	if got := b.Eval(`document.body.innerText.includes("secret")`); got != "false" {
		t.Error("got the text of a message on the page")
	}
	b.Shoot("light")
	b.Look(1400, 900, "dark")
	b.Shoot("dark")
	b.Look(390, 844, "light")
	b.Shoot("narrow")
	if wide := b.Eval(`document.documentElement.scrollWidth`); wide != "390" {
		t.Errorf("got a page %s px wide, want 390, the width of the screen", wide)
	}
	b.Quiet()
}

func TestABridgeIsSuspendedAndResumedOnThePage(t *testing.T) {
	g := newGateway(t, 4, bridge("orders"), bridge("other"))
	b := chromium.New(t)
	b.Open(g.url)
	b.Click(`#bridges tr[data-key=orders] [data-act=suspend]`)
	b.Shows("#dialog", "Suspend orders")
	b.Eval(`document.querySelector("#dialog [name=reason]").value = "the token is being changed"`)
	b.Shoot("suspend")
	b.Click("#dialog-go")
	b.Shows(`#bridges tr[data-key=orders]`, "suspended by operator")
	b.Shows(`#bridges tr[data-key=orders]`, ": the token is being changed")
	if g.Redis.HExists(t.Context(), partition.SuspendedKey, "orders").Val() != true {
		t.Error("got no suspension in Redis, want one")
	}
	b.Click(`#bridges tr[data-key=orders] [data-act=resume]`)
	b.Shows(`#bridges tr[data-key=orders]`, "up")
	if g.Redis.HExists(t.Context(), partition.SuspendedKey, "orders").Val() {
		t.Error("got a suspension in Redis after the resume, want none")
	}
	b.Quiet()
}

func TestDeadLettersAreReplayedOnThePageWithProgress(t *testing.T) {
	var mended atomic.Bool
	g := newGateway(t, 4, bridge("orders", func(b *handlers.Bridge) {
		b.Channel = sandbox.New(sandbox.Config{Behave: func(tasks.Message) sandbox.Behavior {
			if mended.Load() {
				return sandbox.Behavior{}
			}
			return sandbox.Behavior{Fail: "terminal"}
		}})
	}))
	g.Work()
	var all []tasks.Envelope
	for i := range 60 {
		all = append(all, send("orders", fmt.Sprint(i%7), ""))
	}
	g.Outcomes(g.EnqueueBatch(all...)...)
	mended.Store(true)
	b := chromium.New(t)
	b.Look(1400, 900, "light")
	b.Open(g.url)
	b.Click(`#groups tr[data-key=rejected] [data-act=list]`)
	b.Until(`document.querySelectorAll("#letters tbody tr").length === 20`)
	b.Click("#more")
	b.Until(`document.querySelectorAll("#letters tbody tr").length === 40`)
	b.Click(`#groups tr[data-key=rejected] [data-act=replay]`)
	b.Shows("#dialog", "60 dead letters will be sent again")
	b.Shows("#dialog-go", "Replay 60")
	b.Eval(`document.querySelector("#dialog [name=pace]").value = "20"`)
	b.Shoot("replay")
	b.Click("#dialog-go")
	b.Shows("#jobs", "Replay: running")
	b.Shoot("progress")
	b.Shows("#jobs", "Replay: done, 60 of 60")
	b.Until(`document.querySelector("#groups tr[data-key=rejected] [data-f=open]").innerText === "0"`)
	b.Shows("#now", "Waiting\n0")
	b.Quiet()
}

func TestAnEnvelopeIsTracedOnThePage(t *testing.T) {
	g := newGateway(t, 4, bridge("orders"))
	g.Work()
	e := send("orders", "a room", "")
	e.IdempotencyKey = "order & 1"
	r := g.Enqueue(e)
	g.Outcome(r)
	b := chromium.New(t)
	b.Look(1400, 900, "light")
	b.Open(g.url)
	b.Eval(`document.querySelector("#by-id [name=id]").value = "` + r.ID + `"`)
	b.Click("#by-id button")
	b.Shows("#traced", "delivered")
	b.Eval(`document.querySelector("#traced").replaceChildren()`)
	for name, value := range map[string]string{"key": "order & 1", "bridge": "orders", "room": "a room"} {
		b.Eval(fmt.Sprintf(`document.querySelector("#by-key [name=%s]").value = %q`, name, value))
	}
	b.Click("#by-key button")
	b.Shows("#traced", r.ID)
	b.Shoot("trace")
	b.Eval(`document.querySelector("#by-id [name=id]").value = "000-0000000000000001"`)
	b.Click("#by-id button")
	b.Shows("#traced", "nothing is known of this envelope")
}

func TestThePageSaysThatTheGatewayDoesNotAnswer(t *testing.T) {
	g := newGateway(t, 4, bridge("orders"))
	b := chromium.New(t)
	b.Look(1400, 900, "light")
	b.Open(g.url)
	g.away.Store(true)
	b.Shows("#banner", "outgate does not answer")
	b.Until(`document.body.classList.contains("stale")`)
	b.Shoot("away")
	g.away.Store(false)
	b.Until(`document.querySelector("#banner").hidden && !document.body.classList.contains("stale")`)
}

// visible evaluates to the figures and claims that can be seen on the page.
const visible = `[...document.querySelectorAll(".strip dd *, .states, .legend b, .empty, section > .note")].filter((n) => n.checkVisibility({visibilityProperty: true}) && n.innerText).map((n) => n.innerText).join("\n")`

func TestThePageClaimsNothingBeforeRedisAnswers(t *testing.T) {
	g := newGateway(t, 4, bridge("orders"))
	g.Enqueue(send("orders", "a", ""))
	g.Server.Kill()
	b := chromium.New(t)
	b.Look(1400, 900, "light")
	b.Visit(g.url)
	b.Shows("#banner", "Redis does not answer. There are no figures yet")
	if got := b.Eval(visible); got != "" {
		t.Errorf("Redis never answered: got figures, want none:\n%s", got)
	}
	b.Shoot("unknown")
	g.Server.Restart()
	b.Until(`document.querySelector("#banner").hidden`)
	if got := b.Eval(visible); got == "" {
		t.Error("Redis is back: got no figures")
	}
	g.Server.Kill()
	b.Shows("#banner", "Redis does not answer. The figures are from ")
	if got := b.Eval(visible); got == "" {
		t.Error("Redis is away again: got no figures, want the last ones")
	}
}

func TestEnterInADialogConfirmsIt(t *testing.T) {
	g := newGateway(t, 4, bridge("orders"))
	b := chromium.New(t)
	b.Open(g.url)
	b.Eval(`document.querySelector("#bridges [data-act=suspend]").focus()`)
	b.Press("Enter")
	b.Until(`document.activeElement.name === "reason"`)
	b.Eval(`document.activeElement.value = "the token is being changed"`)
	b.Press("Enter")
	b.Shows(`#bridges tr[data-key=orders]`, ": the token is being changed")
	b.Until(`!document.querySelector("#dialog").open`)
	b.Quiet()
}

func TestThePageIsUsableByKeyboard(t *testing.T) {
	g := newGateway(t, 16, bridge("orders"))
	g.Enqueue(send("orders", "a", ""))
	b := chromium.New(t)
	b.Look(1400, 900, "light")
	b.Open(g.url)
	focus := func() string { return b.Eval(`document.activeElement.dataset.key || document.activeElement.innerText`) }
	b.Press("Tab")
	if got := focus(); got != "Skip to main content" {
		t.Errorf("Tab: got focus on %q, want the skip link", got)
	}
	b.Eval(`document.querySelector("#map .cell").focus()`)
	b.Press("ArrowRight")
	if got := focus(); got != "1" {
		t.Errorf("right of cell 0: got focus on %s, want 1", got)
	}
	b.Press("End")
	if got := focus(); got != "15" {
		t.Errorf("End: got focus on cell %s, want 15", got)
	}
	b.Shows("#detail", "outbound-015")
	b.Press("Enter")
	b.Shows("#chosen", "of partition 15")
	b.Shoot("keyboard")
	b.Press("Tab")
	if got := b.Eval(`document.activeElement.closest("section")?.getAttribute("aria-labelledby")`); got != "h-bridges" {
		t.Errorf("Tab out of the map: got focus in %s, want h-bridges", got)
	}
	b.Eval(`document.querySelector("#bridges [data-act=suspend]").focus()`)
	b.Press("Enter")
	b.Until(`document.querySelector("#dialog").open`)
	b.Press("Escape")
	b.Until(`!document.querySelector("#dialog").open && document.activeElement.dataset.act === "suspend"`)
	b.Quiet()
}

// unlabelled finds elements without a name for a screen reader.
const unlabelled = `[...document.querySelectorAll("button, a, input, section, table, dialog, progress")].filter((n) =>
	!(n.getAttribute("aria-label") || n.getAttribute("aria-labelledby") || n.closest("label") || n.innerText?.trim() || n.textContent.trim() || n.hidden)
).map((n) => n.outerHTML.slice(0, 120)).join("\n")`

// faint finds text whose contrast with its background is below WCAG AA.
const faint = `(() => {
	const rgb = (c) => { const v = c.match(/[\d.]+/g).map(Number); return v.length < 4 ? [...v, 1] : v; };
	const lum = ([r, g, b]) => { const f = (v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }; return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
	const behind = (n) => { for (; n; n = n.parentElement) { const c = rgb(getComputedStyle(n).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
	const bad = [];
	for (const n of document.querySelectorAll("body *")) {
		const own = [...n.childNodes].some((c) => c.nodeType === 3 && c.textContent.trim()) || n.matches(".cell");
		if (!own || !n.checkVisibility()) continue;
		const s = getComputedStyle(n), a = lum(rgb(s.color)), b = lum(behind(n));
		const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
		if (ratio < 4.5) bad.push(ratio.toFixed(2) + " " + n.outerHTML.slice(0, 100));
	}
	return bad.join("\n");
})()`

func TestThePageHasNamesAndContrast(t *testing.T) {
	g := busyGateway(t, 16)
	b := chromium.New(t)
	for _, scheme := range []string{"light", "dark"} {
		b.Look(1400, 900, scheme)
		b.Open(g.url)
		b.Eval(`document.head.append(Object.assign(document.createElement("meta"), {name: "x"}))`)
		b.Until(`document.getAnimations().length === 0`)
		if got := b.Eval(unlabelled); got != "" {
			t.Errorf("%s: got elements without a name, want none:\n%s", scheme, got)
		}
		if got := b.Eval(faint); got != "" {
			t.Errorf("%s: got text with a contrast below 4.5, want none:\n%s", scheme, got)
		}
	}
	for _, landmark := range []string{"header", "main", "nav[aria-label]", "footer", "h1"} {
		if got := b.Eval(fmt.Sprintf("document.querySelectorAll(%q).length", landmark)); got != "1" {
			t.Errorf("got %s elements %s, want 1", got, landmark)
		}
	}
}
