package httpsend

import (
	"errors"

	"github.com/outgate/outgate/classify"
)

// Refused is the error of a reply that refuses the request: its facts, with the
// code and the text the channel found in it.
func (s *Sender) Refused(op string, r Reply, code, message string) *classify.Error {
	message = s.Redact(message)
	message = message[:min(len(message), maxMessage)]
	return &classify.Error{
		Channel: s.cfg.Channel,
		Table:   s.cfg.Table,
		Op:      op,
		Sent:    classify.SentRefused,
		Reply: classify.Reply{
			Status:     r.Status,
			Code:       s.Redact(code),
			Message:    message,
			RetryAfter: r.RetryAfter,
		},
	}
}

// Unclear is the error of a reply that accepts the request and does not say what the
// channel has to know, the id of the message for instance. The message may be there.
func (s *Sender) Unclear(op string, r Reply, why string) *classify.Error {
	err := r.Cut
	if err == nil {
		err = errors.New(why)
	}
	return &classify.Error{
		Channel: s.cfg.Channel,
		Table:   s.cfg.Table,
		Op:      op,
		Reply:   classify.Reply{Status: r.Status},
		Sent:    classify.SentUnknown,
		Reason:  classify.ReasonInvalidReply,
		Err:     err,
	}
}

// Unsendable is the error of a message of which no request can be made.
func (s *Sender) Unsendable(op string, err error) *classify.Error {
	return &classify.Error{
		Channel: s.cfg.Channel,
		Table:   s.cfg.Table,
		Op:      op,
		Sent:    classify.SentNo,
		Reason:  classify.ReasonInvalidRequest,
		Err:     s.clean(err),
	}
}
