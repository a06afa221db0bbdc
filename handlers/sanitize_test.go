package handlers_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/tasks"
)

func TestTextSanitizer(t *testing.T) {
	t.Parallel()
	calls := []string{"@everyone", "<!channel"}
	for name, tc := range map[string]struct {
		text, caption string
		control       handlers.Control
		want          string
		told          map[string]any
		refused       bool
	}{
		"a clean text stays":              {text: "a\tb\nc é 🎈", want: "a\tb\nc é 🎈"},
		"control characters are stripped": {text: "a\x00b\x1b[31m\u0085", want: "ab[31m", told: map[string]any{"control_characters_stripped": 3}},
		"from a caption too":              {caption: "a\x07b", want: "ab", told: map[string]any{"control_characters_stripped": 1}},
		"nothing left is refused":         {text: "\x00\x01", refused: true},
		"or they are refused":             {text: "a\x00b", control: handlers.RejectControl, refused: true},
		"reject lets a clean text pass":   {text: "a\nb", control: handlers.RejectControl, want: "a\nb"},
		"or they are kept":                {text: "a\x00b", control: handlers.KeepControl, want: "a\x00b"},
		"line ends become line feeds":     {text: "a\r\nb\rc", want: "a\nb\nc", told: map[string]any{"line_ends_normalized": true}},
		"whoever calls everybody is not heard": {
			text: "hi @everyone and @Everyone, <!channel>", want: "hi @\u200beveryone and @\u200bEveryone, <\u200b!channel>",
			told: map[string]any{"mass_mentions_neutralized": 3},
		},
		"in any place": {text: "@everyone@everyone", want: "@\u200beveryone@\u200beveryone", told: map[string]any{"mass_mentions_neutralized": 2}},
		"beside letters that change their length": {
			text: "İ @everyone", want: "İ @\u200beveryone", told: map[string]any{"mass_mentions_neutralized": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := tasks.Envelope{Operation: tasks.Send, Payload: tasks.Text(tc.text)}
			media := &tasks.Media{Caption: tc.caption}
			if tc.caption != "" {
				e.Operation, e.Payload = tasks.SendMedia, tasks.Payload{Media: media}
			}
			told, err := handlers.TextSanitizer{Control: tc.control, Calls: calls}.Sanitize(t.Context(), &e)
			if tc.refused {
				v := classify.Classify(err)
				if v.Reason != classify.ReasonSanitizeFailed || v.Ambiguous || v.Provider.Code != handlers.CodeControl {
					t.Errorf("verdict %+v of %v", v, err)
				}
				return
			}
			got := e.Payload.Text
			if e.Payload.Media != nil {
				got = e.Payload.Media.Caption
			}
			if err != nil || got != tc.want {
				t.Errorf("%+q, %v, want %+q", got, err, tc.want)
			}
			if diff := cmp.Diff(tc.told, told); diff != "" {
				t.Errorf("security (-want +got):\n%s", diff)
			}
			if media.Caption != tc.caption {
				t.Error("the caller's media are changed")
			}
		})
	}
}

// slow is a sanitizer that does not come to an end.
type slow struct{ end chan struct{} }

func (s slow) Sanitize(_ context.Context, e *tasks.Envelope) (map[string]any, error) {
	<-s.end
	e.Payload.Text = "too late"
	return nil, errors.New("too late")
}

func TestASanitizerHasItsTime(t *testing.T) {
	t.Parallel()
	for name, anyway := range map[string]bool{"then it is tried again": false, "then the text goes as it is": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hook := slow{make(chan struct{})}
			t.Cleanup(func() { close(hook.end) })
			ch := newScripted(nil)
			g := newGateway(t, testConfig(testBridge("b", ch, func(b *handlers.Bridge) {
				b.Hooks.Sanitize, b.SanitizeTimeout, b.SanitizeAnyway = hook, 20*time.Millisecond, anyway
				b.Policy.MaxAttempts = 2
			})))
			g.work()
			if !anyway {
				if o := g.Fail(toRoom("b", "1", "x")); o.Reason != classify.ReasonSanitizeFailed || o.Attempt != 2 || o.Ambiguous {
					t.Errorf("outcome %+v", o)
				}
				return
			}
			o := g.Send(toRoom("b", "1", "x"))
			if got := ch.texts("1"); got != "x" {
				t.Errorf("delivered %q", got)
			}
			if diff := cmp.Diff(map[string]any{"sanitized": false, "cause": "sanitize_failed"}, o.Security); diff != "" {
				t.Error(diff)
			}
		})
	}
}
