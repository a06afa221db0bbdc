package xmpp

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"

	xmppstream "mellium.im/xmpp/stream"

	"github.com/outgate/outgate/classify"
)

// errClosed is why nothing is sent any more.
var errClosed = errors.New("the channel is closed")

// refused is the error of an answer with an error stanza. Its code is the defined
// condition; its message begins with the type and the application's own condition:
// "[modify file-too-large] The file is too big".
func (c *Channel) refused(op string, sent classify.Sent, r *refusal) *classify.Error {
	if r == nil {
		r = &refusal{}
	}
	defined, own := r.condition()
	if defined == "" {
		defined = "undefined-condition"
	}
	kind := r.Type
	if !slices.Contains(types, kind) {
		kind = ""
	}
	mark := strings.TrimSpace(kind + " " + own)
	return c.answered(op, sent, defined, mark, strings.Join(r.Texts, " "))
}

// types are those of error stanzas (RFC 6120, 8.3.2). Whoever sends one may write
// any other, and is not to pass for the server.
var types = []string{"auth", "cancel", "continue", "modify", "wait"}

// unmarked takes the brackets out of a text that others wrote.
var unmarked = strings.NewReplacer("[", "(", "]", ")")

// answered is the error of anything that the server said. The mark alone has
// brackets.
func (c *Channel) answered(op string, sent classify.Sent, code, mark, text string) *classify.Error {
	text = unmarked.Replace(text)
	return &classify.Error{
		Channel: Type,
		Table:   table,
		Op:      op,
		Sent:    sent,
		Reply:   classify.Reply{Code: c.sender.Redact(code), Message: c.sender.Redact(strings.TrimSpace("[" + mark + "] " + text))},
	}
}

// failed is the error of what broke without an answer.
func (c *Channel) failed(op string, sent classify.Sent, reason classify.Reason, err error) *classify.Error {
	if clean := c.sender.Redact(err.Error()); clean != err.Error() {
		err = errors.New(clean)
	}
	return &classify.Error{Channel: Type, Table: table, Op: op, Sent: sent, Reason: reason, Err: err}
}

// ended is the error of a context that ended, with its cause.
func (c *Channel) ended(ctx context.Context, op string, sent classify.Sent) *classify.Error {
	err := ctx.Err()
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return c.failed(op, sent, "", err)
}

// unopened is the error of a stream that did not come about.
func (c *Channel) unopened(err error) *classify.Error {
	const op = "connect"
	if e, ok := errors.AsType[xmppstream.Error](err); ok {
		var texts []string
		for _, t := range e.Text {
			texts = append(texts, t.Value)
		}
		return c.answered(op, classify.SentNo, e.Err, "stream", strings.Join(texts, " "))
	}
	if condition, text, ok := saslFailure(err); ok {
		return c.answered(op, classify.SentNo, condition, "sasl", text)
	}
	if errors.Is(err, errNoLogin) {
		return c.answered(op, classify.SentNo, "", "sasl", err.Error())
	}
	return c.failed(op, classify.SentNo, "", err)
}

// saslFailure reads the library's error for <failure/> (RFC 6120, 6.5), whose type
// is internal to it, by what it writes.
func saslFailure(err error) (condition, text string, ok bool) {
	w, ok := errors.AsType[interface {
		error
		TokenReader() xml.TokenReader
	}](err)
	if !ok {
		return "", "", false
	}
	var failure struct {
		XMLName xml.Name
		Text    string `xml:"text"`
		Any     []struct {
			XMLName xml.Name
		} `xml:",any"`
	}
	if err := xml.NewTokenDecoder(w.TokenReader()).Decode(&failure); err != nil {
		return "", "", false
	}
	for _, e := range failure.Any {
		condition = e.XMLName.Local
	}
	return condition, failure.Text, failure.XMLName == xml.Name{Space: nsSASL, Local: "failure"}
}
