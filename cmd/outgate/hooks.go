package main

import (
	"context"
	"strings"
	"unicode"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/tasks"
)

// mediaPolicy is the media_policy of a bridge: it holds where the envelope has
// none of its own.
type mediaPolicy string

// Apply implements handlers.MediaPolicy.
func (p mediaPolicy) Apply(ctx context.Context, e *tasks.Envelope, c tasks.Capabilities) (map[string]any, error) {
	if e.Operation.IsMedia() && (e.Opts == nil || e.Opts.MediaPolicy == "") {
		opts := tasks.Opts{}
		if e.Opts != nil {
			opts = *e.Opts
		}
		opts.MediaPolicy = string(p)
		e.Opts = &opts
	}
	return handlers.MediaFallback{}.Apply(ctx, e, c)
}

// codeControl marks the failures of a controlSanitizer, and controlRule settles
// their envelopes: tried again, they would fail again.
const codeControl = "control_character"

var controlRule = classify.Rule{Code: codeControl, Category: classify.Terminal}

// controlSanitizer takes the control characters other than tab and line breaks out
// of a text, or refuses it.
type controlSanitizer struct{ reject bool }

// Sanitize implements handlers.Sanitizer. It answers how many were taken out.
func (s controlSanitizer) Sanitize(_ context.Context, e *tasks.Envelope) (map[string]any, error) {
	texts := []*string{&e.Payload.Text}
	if m := e.Payload.Media; m != nil {
		texts = []*string{&m.Caption, &m.FallbackText}
	}
	found := 0
	for _, text := range texts {
		clean := strings.Map(func(r rune) rune {
			if isControl(r) {
				found++
				return -1
			}
			return r
		}, *text)
		if s.reject && clean != *text {
			return nil, refuseText("the text holds a control character, and sanitize.control is reject")
		}
		if clean == "" && *text != "" {
			return nil, refuseText("the text holds nothing but control characters")
		}
		*text = clean
	}
	if found == 0 {
		return nil, nil
	}
	return map[string]any{"control_characters_stripped": found}, nil
}

func isControl(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' }

func refuseText(why string) error {
	return &classify.Error{
		Op: "sanitize", Reason: classify.ReasonSanitizeFailed, Sent: classify.SentNo,
		Reply: classify.Reply{Code: codeControl, Message: why},
	}
}
