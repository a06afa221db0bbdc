package slack

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

var (
	errNoTS     = errors.New("the reply holds no ts")
	errNotSlack = errors.New("the reply does not say whether it is ok")
)

// answer is what the methods answer, as far as it is used.
type answer struct {
	// OK is true or false in an answer of Slack, and anything in another.
	OK      json.RawMessage `json:"ok"`
	Error   string          `json:"error"`
	Warning string          `json:"warning"`
	// Needed and Provided are the scopes of missing_scope.
	Needed   string `json:"needed"`
	Provided string `json:"provided"`
	Meta     struct {
		Messages   []string `json:"messages"`
		NextCursor string   `json:"next_cursor"`
	} `json:"response_metadata"`

	Channel string `json:"channel"`
	TS      string `json:"ts"`

	UploadURL string `json:"upload_url"`
	FileID    string `json:"file_id"`
	Files     []file `json:"files"`
	File      file   `json:"file"`

	Messages []message `json:"messages"`
}

// channel is the room's id, as Slack has it.
func (a *answer) channel(m tasks.Message) string {
	if a.Channel != "" {
		return a.Channel
	}
	return m.ExternalRoomID
}

// text is what the answer says beside its code.
func (a *answer) text() string {
	parts := a.Meta.Messages
	if a.Needed != "" {
		parts = append(parts, "needed: "+a.Needed+", provided: "+a.Provided)
	}
	if a.Warning != "" {
		parts = append(parts, "warning: "+a.Warning)
	}
	return strings.Join(parts, "; ")
}

// callJSON calls a method with its arguments as JSON.
func (c *Channel) callJSON(ctx context.Context, method string, args any) (answer, error) {
	body, _ := json.Marshal(args) // texts, numbers and lists of them cannot fail
	return c.call(ctx, method, "application/json; charset=utf-8", body)
}

// callForm calls a method that takes no JSON.
func (c *Channel) callForm(ctx context.Context, method string, args url.Values) (answer, error) {
	return c.call(ctx, method, "application/x-www-form-urlencoded", []byte(args.Encode()))
}

func (c *Channel) call(ctx context.Context, method, contentType string, body []byte) (answer, error) {
	r, err := c.sender.Do(ctx, httpsend.Request{
		Op:     method,
		Method: http.MethodPost,
		URL:    c.base.JoinPath("api", method),
		Header: http.Header{"Content-Type": {contentType}, "Authorization": {"Bearer " + c.token}},
		Body:   body,
	})
	if err != nil {
		return answer{}, err
	}
	return c.read(method, r)
}

// read finds in a reply what became of the request.
func (c *Channel) read(method string, r httpsend.Reply) (answer, error) {
	var a answer
	err := json.Unmarshal(r.Body, &a)
	// A field of another type than it should have leaves the others as they are.
	_, odd := errors.AsType[*json.UnmarshalTypeError](err)
	whole := r.Cut == nil && (err == nil || odd)
	switch {
	case whole && r.OK() && string(a.OK) == "true":
		return a, nil
	case whole && string(a.OK) == "false":
		return answer{}, c.refused(method, r, a.Error, a.text())
	case !r.OK():
		return answer{}, c.refused(method, r, "", string(r.Body))
	case r.Cut != nil:
		return answer{}, notUnderstood(method, r.Status, r.Cut)
	}
	return answer{}, notUnderstood(method, r.Status, errNotSlack)
}

// refused is the error of a request that Slack answered and did not take. Slack
// counts requests by method: its delay is one of this method.
func (c *Channel) refused(method string, r httpsend.Reply, code, text string) error {
	e := c.sender.Refused(method, r, code, text)
	if r.Status == http.StatusTooManyRequests || code == "ratelimited" || code == "rate_limited" {
		e.Scope = classify.ScopeRoute
	}
	return e
}

// notUnderstood is the error of a request that Slack took, most likely.
func notUnderstood(method string, status int, why error) error {
	return &classify.Error{
		Channel: Type,
		Table:   table,
		Op:      method,
		Sent:    classify.SentUnknown,
		Reason:  classify.ReasonInvalidReply,
		Reply:   classify.Reply{Status: status},
		Err:     why,
	}
}

// refuse is the error of a message that is not sent.
func refuse(method string, reason classify.Reason, why string) error {
	return &classify.Error{
		Channel: Type,
		Table:   table,
		Op:      method,
		Sent:    classify.SentNo,
		Reason:  reason,
		Err:     errors.New(why),
	}
}

// hasCode is true for an answer of Slack with one of those codes.
func hasCode(err error, codes ...string) bool {
	e, ok := errors.AsType[*classify.Error](err)
	return ok && slices.Contains(codes, e.Code)
}
