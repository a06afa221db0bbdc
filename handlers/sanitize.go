package handlers

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// Control says what becomes of control characters other than tab and line breaks.
type Control string

// What becomes of control characters.
const (
	StripControl  Control = "strip"
	RejectControl Control = "reject"
	KeepControl   Control = "keep"
)

// TextSanitizer is the default sanitizer. It takes control characters out, writes
// every line end as a line feed, and breaks up what would call everybody in a room.
type TextSanitizer struct {
	// Control is what becomes of control characters; empty strips them.
	Control Control
	// Calls are the texts that call everybody. A zero-width space is put behind their
	// first character.
	Calls []string
}

// CodeControl is the provider code of a text that is refused for its control
// characters.
const CodeControl = "control_character"

// Sanitize implements Sanitizer. It answers how often it changed what.
func (s TextSanitizer) Sanitize(_ context.Context, e *tasks.Envelope) (map[string]any, error) {
	told := make(map[string]any)
	texts := []*string{&e.Payload.Text}
	if e.Payload.Media != nil {
		m := *e.Payload.Media
		e.Payload.Media = &m
		texts = []*string{&m.Caption, &m.FallbackText}
	}
	for _, text := range texts {
		if err := s.control(text, told); err != nil {
			return nil, err
		}
		if strings.Contains(*text, "\r") {
			*text = lineEnds.Replace(*text)
			told["line_ends_normalized"] = true
		}
		s.calls(text, told)
	}
	if len(told) == 0 {
		return nil, nil
	}
	return told, nil
}

var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func count(told map[string]any, what string, n int) {
	if before, _ := told[what].(int); n > 0 {
		told[what] = before + n
	}
}

func (s TextSanitizer) control(text *string, told map[string]any) error {
	if s.Control == KeepControl {
		return nil
	}
	found := 0
	clean := strings.Map(func(r rune) rune {
		if isControl(r) {
			found++
			return -1
		}
		return r
	}, *text)
	switch {
	case found == 0:
		return nil
	case s.Control == RejectControl:
		return refuseText("the text holds a control character, and sanitize.control is reject")
	case clean == "":
		return refuseText("the text holds nothing but control characters")
	}
	*text = clean
	count(told, "control_characters_stripped", found)
	return nil
}

func isControl(r rune) bool { return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' }

func refuseText(why string) error {
	return &classify.Error{
		Op: "sanitize", Reason: classify.ReasonSanitizeFailed, Sent: classify.SentNo,
		Reply: classify.Reply{Code: CodeControl, Message: why},
	}
}

// zeroWidth is a space that nobody sees.
const zeroWidth = "\u200b"

func (s TextSanitizer) calls(text *string, told map[string]any) {
	if len(s.Calls) == 0 {
		return
	}
	lower := lowerASCII(*text)
	for _, call := range s.Calls {
		if !strings.Contains(lower, call) {
			continue
		}
		_, first := utf8.DecodeRuneInString(call)
		var b strings.Builder
		rest, low, n := *text, lower, 0
		for {
			i := strings.Index(low, call)
			if i < 0 {
				break
			}
			b.WriteString(rest[:i+first] + zeroWidth)
			rest, low = rest[i+first:], low[i+first:]
			n++
		}
		*text = b.String() + rest
		lower = lowerASCII(*text)
		count(told, "mass_mentions_neutralized", n)
	}
}

// lowerASCII keeps the places of all letters, which strings.ToLower does not.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// sanitizeTimeout is how long a sanitizer may take where the bridge does not say.
const sanitizeTimeout = time.Second

// sanitize lets the bridge's sanitizer at the text, for a bounded time.
func (p *pipeline) sanitize(ctx context.Context, d *delivery) *end {
	hook := d.bridge.Hooks.Sanitize
	if hook == nil {
		return nil
	}
	clean, security, err := p.sanitized(ctx, d, hook)
	if err == nil {
		d.env, d.security = clean, security
		return nil
	}
	if d.bridge.SanitizeAnyway {
		p.about(d).Warn("delivery.not_sanitized", zap.Error(err))
		d.security = map[string]any{"sanitized": false, "cause": string(classify.Classify(unsent(classify.ReasonSanitizeFailed, err)).Reason)}
		return nil
	}
	return failed(unsent(classify.ReasonSanitizeFailed, err))
}

// sanitized is a copy of the envelope, cleaned. A hook that takes too long is left
// behind with its copy.
func (p *pipeline) sanitized(ctx context.Context, d *delivery, hook Sanitizer) (tasks.Envelope, map[string]any, error) {
	e := d.env
	if m := e.Payload.Media; m != nil {
		media := *m
		e.Payload.Media = &media
	}
	if own, ok := hook.(TextSanitizer); ok { // it cannot hang
		security, err := own.Sanitize(ctx, &e)
		return e, security, err
	}
	timeout := d.bridge.SanitizeTimeout
	if timeout <= 0 {
		timeout = sanitizeTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errSanitizeTimeout)
	defer cancel()
	type answer struct {
		security map[string]any
		err      error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if x := recover(); x != nil {
				a = answer{err: &classify.PanicError{Value: x, Stack: debug.Stack()}}
			}
			done <- a
		}()
		a.security, a.err = hook.Sanitize(ctx, &e)
	}()
	select {
	case a := <-done:
		if x, ok := errors.AsType[*classify.PanicError](a.err); ok {
			return e, nil, p.panicked(d, x.Value)
		}
		return e, a.security, a.err
	case <-ctx.Done():
		return tasks.Envelope{}, nil, fmt.Errorf("sanitize: %w", context.Cause(ctx))
	}
}

var errSanitizeTimeout = errors.New("sanitize.timeout passed")
