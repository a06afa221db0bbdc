package handlers

import (
	"context"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// Hooks are the steps of the pipeline that a bridge may bring its own of. A nil
// hook is the default.
type Hooks struct {
	// Route may change where an envelope goes inside its room, a thread for
	// instance. The default leaves it.
	Route RouteResolver
	// Media decides about media. The default is MediaFallback.
	Media MediaPolicy
	// Sanitize cleans text. The default leaves it.
	Sanitize Sanitizer
	// Chunk cuts text into pieces. The default sends it whole.
	Chunk Chunker
}

// RouteResolver resolves an envelope's route just before delivery. It must not
// change the bridge or the room: they decide the line.
type RouteResolver interface {
	Resolve(ctx context.Context, e *tasks.Envelope) error
}

// MediaPolicy accepts media, changes the envelope (into a text, say) or refuses
// it with an error. What it returns is the outcome's media.
type MediaPolicy interface {
	Apply(ctx context.Context, e *tasks.Envelope, c tasks.Capabilities) (map[string]any, error)
}

// Sanitizer cleans the text of an envelope. What it returns is the outcome's
// security.
type Sanitizer interface {
	Sanitize(ctx context.Context, e *tasks.Envelope) (map[string]any, error)
}

// Chunker cuts a text into the pieces that are sent, in order.
type Chunker interface {
	Chunk(e *tasks.Envelope) []string
}

// MediaFallback is the default media policy: a channel that cannot take the
// media gets its fallback text, where the envelope says media_policy
// "fallback_text".
type MediaFallback struct{}

// Apply implements MediaPolicy.
func (MediaFallback) Apply(_ context.Context, e *tasks.Envelope, c tasks.Capabilities) (map[string]any, error) {
	if !e.Operation.IsMedia() {
		return nil, nil
	}
	kind := string(e.Payload.Media.Kind)
	if c.Supports(e.Operation) {
		return map[string]any{"accepted": []string{kind}}, nil
	}
	fallback := e.Payload.Media.FallbackText
	if e.Opts == nil || e.Opts.MediaPolicy != "fallback_text" || fallback == "" {
		return nil, &classify.Error{
			Op: string(e.Operation), Reason: classify.ReasonUnsupportedOperation, Sent: classify.SentNo,
			Reply: classify.Reply{Message: "the channel takes no " + string(e.Operation) + "; set opts.media_policy to fallback_text and give a fallback_text to send text instead"},
		}
	}
	e.Operation = map[tasks.Operation]tasks.Operation{tasks.SendMedia: tasks.Send, tasks.EditMedia: tasks.Edit}[e.Operation]
	e.Payload = tasks.Text(fallback)
	return map[string]any{"rejected": []string{kind}, "cause": string(classify.ReasonUnsupportedOperation), "fallback": true}, nil
}

// RuneChunker cuts a text into pieces of at most Max code points.
type RuneChunker struct{ Max int }

// Chunk implements Chunker.
func (c RuneChunker) Chunk(e *tasks.Envelope) []string {
	runes := []rune(e.Payload.Text)
	if c.Max <= 0 || len(runes) <= c.Max {
		return []string{e.Payload.Text}
	}
	var pieces []string
	for len(runes) > 0 {
		n := min(c.Max, len(runes))
		pieces = append(pieces, string(runes[:n]))
		runes = runes[n:]
	}
	return pieces
}
