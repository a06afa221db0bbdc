package tasks

import "github.com/outgate/outgate/classify"

// Ending is where and how an envelope ended that is not delivered.
type Ending struct {
	// ID is the envelope's, Partition where it was.
	ID        string
	Partition int
	// Attempt is how many attempts were made, of MaxAttempts.
	Attempt, MaxAttempts int
	// Ambiguous is true if any attempt may have been accepted, whatever the verdict
	// says of the last one.
	Ambiguous bool
	// DeadLetter is true if it is kept as a dead letter, under its own id.
	DeadLetter bool
}

// NewFailure is the outcome of an envelope that a gateway settles undelivered. It is
// the one form of such outcomes: the scripts have a template that is made of it
// (partition/lua/failure.lua).
func NewFailure(e *Envelope, v classify.Verdict, end Ending) *OutboundError {
	f := NewOutboundError(e, v, nil)
	f.Disposition = classify.DispositionTerminal
	f.ID, f.Partition = end.ID, end.Partition
	f.Attempt, f.MaxAttempts = end.Attempt, end.MaxAttempts
	f.Ambiguous = f.Ambiguous || end.Ambiguous
	if end.DeadLetter {
		f.DeadLetterID = end.ID
	}
	return f
}
