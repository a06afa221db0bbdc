package handlers

import (
	"context"

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
	// Sanitize cleans text. The default is TextSanitizer.
	Sanitize Sanitizer
	// Chunk cuts text into pieces. The default cuts it as the channel needs it; what
	// it answers none for is cut so too.
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
