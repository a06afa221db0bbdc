package partition

import "context"

// Claim asks whether a task may be delivered now, and reads what happened to it
// before. It writes nothing about an attempt.
func (l *Lines) Claim(ctx context.Context, id, line string) (Begun, error) {
	return l.Begin(ctx, id, line, "", false)
}

// Mark is Claim, and writes that this attempt, named by its token, is in flight: the
// last thing before a send. Called again with the same token it changes nothing.
func (l *Lines) Mark(ctx context.Context, id, line, token string) (Begun, error) {
	return l.Begin(ctx, id, line, token, true)
}

// Unmark is Claim, and takes the mark of this attempt back: nothing was sent.
func (l *Lines) Unmark(ctx context.Context, id, line, token string) (Begun, error) {
	return l.Begin(ctx, id, line, token, false)
}
