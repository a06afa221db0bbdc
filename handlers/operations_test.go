package handlers_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/tasks"
)

// texting is a channel that can send texts, and claims to do what it is given.
type texting struct {
	*scripted
	operations []tasks.Operation
}

func (c texting) Capabilities() tasks.Capabilities {
	return tasks.Capabilities{Operations: c.operations, Idempotency: tasks.Blind}
}

// sendsOnly hides all of a channel but Send.
type sendsOnly struct{ handlers.Channel }

func image(op tasks.Operation, room string) tasks.Envelope {
	e := tasks.Envelope{
		Operation: op, BridgeID: "b", ExternalRoomID: room,
		Payload: tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: "https://example.com/cat.png", FallbackText: "a cat"}},
	}
	if op.IsEdit() {
		e.ExternalMessageID = "sb-1"
	}
	return e
}

func TestEveryOperationReachesItsMethodOfTheChannel(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, testConfig(testBridge("b", ch)))
	w := g.work()
	edit := toRoom("b", "1", "two")
	edit.Operation, edit.ExternalMessageID = tasks.Edit, "sb-1"
	media := tasks.Media{Kind: tasks.Image, URL: "https://example.com/cat.png", FallbackText: "a cat"}
	for i, e := range []tasks.Envelope{toRoom("b", "1", "one"), edit, image(tasks.SendMedia, "1"), image(tasks.EditMedia, "1")} {
		o := g.Send(e)
		m := ch.attempts("1")[i].Message
		if m.Operation != e.Operation || m.ExternalMessageID != e.ExternalMessageID || m.Text != e.Payload.Text {
			t.Errorf("%s became %+v", e.Operation, m)
		}
		if o.Operation != e.Operation || e.Operation.IsEdit() && o.MessageID != "sb-1" {
			t.Errorf("%s ended as %+v", e.Operation, o)
		}
		if e.Operation.IsMedia() {
			if d := cmp.Diff(&media, m.Media); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(map[string]any{"accepted": []any{"image"}}, o.Media); d != "" {
				t.Error(d)
			}
		}
		w.metric(t, "outgate_deliveries_total", 1, "bridge", "b", "operation", string(e.Operation), "disposition", "delivered", "category", "")
	}
}

func TestAnEditNeedsTheMessageItEdits(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, testConfig(testBridge("b", ch)))
	g.work()
	for name, edit := range map[string]func(context.Context, tasks.Envelope) (*tasks.Success, error){
		"of a text": g.Client.EditMessage, "of media": g.Client.EditMedia,
	} {
		t.Run(name, func(t *testing.T) {
			e := toRoom("b", "1", "x")
			if name == "of media" {
				e.Payload = image(tasks.SendMedia, "1").Payload
			}
			_, err := edit(t.Context(), e)
			var failure *tasks.OutboundError
			if !errors.As(err, &failure) || failure.Reason != classify.ReasonMissingExternalMessageID || failure.Category != classify.Terminal {
				t.Errorf("got %v", err)
			}
			if !errors.Is(err, tasks.ErrInvalid) {
				t.Errorf("%v is no ErrInvalid", err)
			}
		})
	}
	if n := len(ch.attempts("")); n != 0 {
		t.Errorf("%d attempts", n)
	}
}

func TestWhatAChannelCannotDoIsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	text, media := []tasks.Operation{tasks.Send}, []tasks.Operation{tasks.Send, tasks.SendMedia, tasks.EditMedia}
	edit := toRoom("b", "edit", "two")
	edit.Operation, edit.ExternalMessageID = tasks.Edit, "m-1"
	fallback := func(e tasks.Envelope) tasks.Envelope {
		e.Opts = &tasks.Opts{MediaPolicy: "fallback_text"}
		return e
	}
	noText := fallback(image(tasks.SendMedia, "no text"))
	noText.Payload.Media.FallbackText = ""
	cases := map[string]struct {
		can      []tasks.Operation
		envelope tasks.Envelope
	}{
		"an edit":                                  {text, edit},
		"an edit of a channel that claims it":      {append(text, tasks.Edit), edit},
		"media":                                    {text, image(tasks.SendMedia, "media")},
		"media without a fallback text":            {text, noText},
		"media of a channel that claims it":        {media, image(tasks.SendMedia, "claimed")},
		"edited media":                             {text, image(tasks.EditMedia, "edited")},
		"edited media that falls back to an edit":  {text, fallback(image(tasks.EditMedia, "edited back"))},
		"edited media of a channel that claims it": {media, image(tasks.EditMedia, "edited claimed")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ch := newScripted(nil)
			g := newGateway(t, testConfig(testBridge("b", sendsOnly{texting{ch, c.can}})))
			w := g.work()
			o := g.Fail(c.envelope)
			if o.Category != classify.Terminal || o.Reason != classify.ReasonUnsupportedOperation || o.Attempt != 0 || o.Ambiguous {
				t.Errorf("outcome %+v", o)
			}
			if n := len(ch.attempts("")); n != 0 {
				t.Errorf("%d attempts", n)
			}
			w.metric(t, "outgate_deliveries_total", 1, "bridge", "b", "operation", string(c.envelope.Operation), "category", "terminal")
		})
	}
}

func TestMediaFallsBackToItsText(t *testing.T) {
	t.Parallel()
	ch := newScripted(nil)
	g := newGateway(t, testConfig(testBridge("b", texting{ch, []tasks.Operation{tasks.Send, tasks.Edit}})))
	g.work()
	for _, op := range []tasks.Operation{tasks.SendMedia, tasks.EditMedia} {
		e := image(op, string(op))
		e.Opts = &tasks.Opts{MediaPolicy: "fallback_text"}
		o := g.Send(e)
		want := map[string]any{"rejected": []any{"image"}, "causes": []any{"unsupported_operation"}, "fallback": true}
		if d := cmp.Diff(want, o.Media); d != "" {
			t.Error(d)
		}
		if o.Operation != op {
			t.Errorf("the outcome is of %s, want the %s that was asked for", o.Operation, op)
		}
		m := ch.attempts(string(op))[0].Message
		if m.Text != "a cat" || m.Media != nil || m.Operation.IsMedia() || m.Operation.IsEdit() != op.IsEdit() {
			t.Errorf("sent %+v", m)
		}
	}
}

func TestSenderAsksForTheInterfaceOfTheOperation(t *testing.T) {
	t.Parallel()
	all := []tasks.Operation{tasks.Send, tasks.Edit, tasks.SendMedia, tasks.EditMedia}
	for _, op := range append(all, "dance") {
		full := handlers.Sender(texting{newScripted(nil), append(all, "dance")}, op) != nil
		if full != slices.Contains(all, op) {
			t.Errorf("%s of a channel that has it all: %t", op, full)
		}
		if bare := handlers.Sender(sendsOnly{texting{newScripted(nil), all}}, op) != nil; bare != (op == tasks.Send) {
			t.Errorf("%s of a channel that sends only: %t", op, bare)
		}
	}
}
