package channeltest_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/channeltest"
	"github.com/outgate/outgate/tasks"
)

// The checks, by their names.
const (
	declares = "has exactly the operations it declares"
	delivers = "delivers by each operation"
	parallel = "may be used concurrently"
	ended    = "sends nothing once its context has ended"

	rooms   = "posts into the room it is given"
	texts   = "posts the whole text"
	ids     = "returns the id that the provider gave"
	edits   = "edits the message it is given, and no other"
	formats = "shows a text in its format"
	media   = "sends media as it declares"
	doubles = "makes no double while the provider knows its token"
	finds   = "finds the message of its token, and no other"
	deletes = "deletes the message it is given, or says that it could not"
	checks  = "checks its credential, and sends nothing"
	doubts  = "is in doubt about the message alone"

	ending   = "returns when its context ends"
	bounded  = "reads a bounded part of an endless reply"
	survives = "survives any reply"
	secrecy  = "has no secret in its errors"
	reuse    = "uses its connection again"
	redirect = "follows no redirect"
	sent     = "knows what was not sent from what may have been"
	verdicts = "gives the documented errors their verdicts"
	server   = "is in doubt about a 500 unless a second request is dropped"
)

// except are all checks but some.
func except(some ...string) []string {
	all := []string{
		declares, delivers, parallel, ended,
		rooms, texts, ids, edits, formats, media, doubles, finds, deletes, checks, doubts,
		ending, bounded, survives, secrecy, reuse, redirect, sent, verdicts, server,
	}
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(some, name) })
}

func harness(m mutant, f faults) channeltest.Harness {
	h := channeltest.Harness{
		New:      func(url string) (channeltest.Channel, error) { return &reference{mutant: m, faults: f, url: url}, nil },
		Provider: provider,
		Secrets:  []string{secret},
		Refusals: map[string]channeltest.Refusal{
			"404 is no such message": {
				Operation: tasks.Edit, Status: http.StatusNotFound, Header: map[string]string{"X-A": "b"}, Body: "no",
				Want: classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonNotFound},
			},
			"403 is no way in": {
				Status: http.StatusForbidden,
				Want:   classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonForbidden},
			},
			"400 is what may not be deleted": {
				Operation: channeltest.Delete, Status: http.StatusBadRequest,
				Want: classify.Verdict{Category: classify.Terminal, Reason: classify.ReasonRejected},
			},
		},
	}
	if f.deaf || f.forgetful {
		h.Grace = 200 * time.Millisecond // it is waited for in vain
	}
	return h
}

// on changes what one request holds.
func on(op string, change func(*wire)) mutant {
	return mutant{wire: func(o string, w *wire) {
		if o == op {
			change(w)
		}
	}}
}

// fails changes the errors of one request.
func fails(op string, change func(*classify.Error) error) mutant {
	return mutant{failure: func(o string, e *classify.Error) error {
		if o == op {
			return change(e)
		}
		return e
	}}
}

// Each mutant changes one thing about a channel that passes the suite, and the check
// that it breaks has to fail. Others may: without a post there is nothing to edit.
func TestSuiteKillsEachMutant(t *testing.T) {
	swallow := func(*classify.Error) error { return nil }
	doubt := func(e *classify.Error) error { e.Sent = classify.SentUnknown; return e }
	sure := func(e *classify.Error) error { e.Sent = classify.SentNo; return e }
	gone := func(e *classify.Error) error { e.Reason = classify.ReasonUnavailable; return e }
	tableless := func(e *classify.Error) error { e.Table = nil; return e }
	for name, c := range map[string]struct {
		mutant mutant
		want   string
	}{
		"edits the wrong post":             {on("edit", func(w *wire) { w.ID = "m1" }), edits},
		"posts into another room":          {on("send", func(w *wire) { w.Room += "0" }), rooms},
		"loses the text":                   {on("send", func(w *wire) { w.Text = "" }), texts},
		"has a constant message id":        {mutant{delivery: func(d *tasks.Delivery) { d.MessageID = "m1" }}, ids},
		"finds any post":                   {on("find", func(w *wire) { w.Token = "" }), finds},
		"swallows the errors of Delete":    {fails("delete", swallow), deletes},
		"claims too long a window":         {mutant{caps: func(c *tasks.Capabilities) { c.Window = time.Hour }}, doubles},
		"makes a double within the window": {mutant{retokens: true}, doubles},
		"fetches media undeclared":         {mutant{caps: func(c *tasks.Capabilities) { c.FetchesMedia = false }}, media},
		"ignores the format":               {on("send", func(w *wire) { w.Format = "" }), formats},
		"doubts after a failed upload":     {fails("upload", doubt), doubts},

		"edits in another room":             {on("edit", func(w *wire) { w.Room = "43" }), edits},
		"loses the text of an edit":         {on("edit", func(w *wire) { w.Text = "" }), edits},
		"loses the media of an edit":        {on("edit", func(w *wire) { w.File = "" }), edits},
		"has no message id":                 {mutant{delivery: func(d *tasks.Delivery) { d.MessageID = "" }}, ids},
		"cuts a long text":                  {on("send", func(w *wire) { w.Text = w.Text[:min(len(w.Text), 400)] }), texts},
		"uploads nothing":                   {on("upload", func(w *wire) { w.Data = nil }), media},
		"takes every text for Markdown":     {on("send", func(w *wire) { w.Format = tasks.Markdown }), formats},
		"has one token for all":             {on("send", func(w *wire) { w.Token = "x" }), doubles},
		"finds in one room alone":           {on("find", func(w *wire) { w.Room = "42" }), finds},
		"finds nothing":                     {on("find", func(w *wire) { w.Token += "x" }), finds},
		"finds nothing if it cannot ask":    {fails("find", swallow), finds},
		"deletes the first post":            {on("delete", func(w *wire) { w.ID = "m1" }), deletes},
		"is sure of a lost reply":           {fails("send", sure), doubts},
		"swallows the errors of Check":      {fails("check", swallow), checks},
		"takes a bad credential for a wait": {fails("check", gone), checks},
		"posts to check":                    {mutant{checkPosts: true}, checks},
		"has no table in its errors":        {fails("send", tableless), server},
		"declares a window and is blind":    {mutant{caps: func(c *tasks.Capabilities) { c.Idempotency = tasks.Blind }}, declares},
		"declares an operation that it lacks": {
			mutant{caps: func(c *tasks.Capabilities) { c.Operations = append(c.Operations, "shout") }}, declares,
		},
		"does not declare an operation that it has": {
			mutant{caps: func(c *tasks.Capabilities) { c.Operations = c.Operations[1:] }}, declares,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// These take long, and no mutant is about them.
			if got := failing(t, harness(c.mutant, faults{}), ending, bounded); !slices.Contains(got, c.want) {
				t.Errorf("got the failures %q, want %q among them", got, c.want)
			}
		})
	}
}

func TestSuiteFindsWhatIsWrong(t *testing.T) {
	cases := map[string]struct {
		faults faults
		want   []string
	}{
		"nothing":                                  {faults{}, nil},
		"it does not pass its context on":          {faults{deaf: true}, []string{ended, finds, checks, ending}},
		"it follows redirects":                     {faults{followers: true}, []string{redirect}},
		"it reads all there is":                    {faults{greedy: true}, []string{bounded}},
		"it puts the URL into errors":              {faults{leaky: true}, []string{finds, deletes, checks, doubts, secrecy}},
		"it does not close replies":                {faults{forgetful: true}, []string{bounded, reuse}},
		"it takes every failure for an unsent one": {faults{guessing: true}, []string{doubts, ending, sent}},
		"it takes every reply for a delivery":      {faults{gullible: true}, []string{deletes, checks, survives, secrecy, reuse, redirect, verdicts, server}},
		"it has neither type nor idempotency":      {faults{anonymous: true}, []string{declares, server}},
		"its results are no JSON":                  {faults{unfit: true}, []string{delivers}},
		"it repeats what may have been taken":      {faults{repeating: true}, []string{deletes, checks, doubts, sent}},
		"it fails always, with errors of its own":  {faults{broken: true}, except(declares)},
		"it delivers without asking the provider":  {faults{idle: true}, except(declares, doubts)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := failing(t, harness(mutant{}, c.faults))
			if !slices.Equal(got, c.want) {
				t.Errorf("got the failures %q, want %q", got, c.want)
			}
		})
	}
}

func TestSuiteFindsAnEmptyHarness(t *testing.T) {
	without := func(change func(*channeltest.Provider)) func(*channeltest.Harness) {
		return func(h *channeltest.Harness) {
			h.Provider = func(tb testing.TB, url string) channeltest.Provider {
				p := provider(tb, url)
				change(&p)
				return p
			}
		}
	}
	unseen := channeltest.Harness{New: func(string) (channeltest.Channel, error) { return silent{}, nil }, Unseen: true}
	for name, c := range map[string]struct {
		change func(*channeltest.Harness)
		want   []string
	}{
		"no secrets":        {func(h *channeltest.Harness) { h.Secrets = nil }, []string{secrecy}},
		"no refusals":       {func(h *channeltest.Harness) { h.Refusals = nil }, []string{deletes, verdicts}},
		"no provider":       {func(h *channeltest.Harness) { *h = unseen; h.Unseen = false }, []string{"harness"}},
		"an unseen channel": {func(h *channeltest.Harness) { *h = unseen }, nil},
		"no channel": {func(h *channeltest.Harness) {
			h.New = func(string) (channeltest.Channel, error) { return nil, errors.New("no") }
		}, []string{"harness"}},
		"a refusal of what it lacks": {func(h *channeltest.Harness) {
			h.Refusals["x"] = channeltest.Refusal{Operation: "shout", Status: 400}
		}, []string{verdicts}},
		"no bad credential": {without(func(p *channeltest.Provider) { p.Revoke = nil }), []string{checks}},
		"no clock":          {without(func(p *channeltest.Provider) { p.Advance = nil }), []string{doubles}},
		"a clock that stands": {without(func(p *channeltest.Provider) {
			p.Advance = func(time.Duration) {}
		}), []string{doubles}},
		"nothing to be seen": {without(func(p *channeltest.Provider) {
			p.Messages = func(string) []channeltest.Message { return nil }
		}), []string{parallel, rooms, texts, ids, edits, formats, media, doubles, deletes, doubts}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := harness(mutant{}, faults{})
			c.change(&h)
			if got := failing(t, h, ending, bounded); !slices.Equal(got, c.want) {
				t.Errorf("got the failures %q, want %q", got, c.want)
			}
		})
	}
}

func TestRun(t *testing.T) {
	channeltest.Run(t, harness(mutant{}, faults{}))
}
