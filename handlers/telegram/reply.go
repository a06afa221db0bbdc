package telegram

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
)

// answer is what Telegram says of a call
// (https://core.telegram.org/bots/api#making-requests).
type answer struct {
	OK          bool   `json:"ok"`
	ErrorCode   int    `json:"error_code"`
	Description string `json:"description"`
	// Result is a message, or true: then all of it stays zero.
	Result struct {
		MessageID int64 `json:"message_id"`
		Date      int64 `json:"date"`
		Chat      struct {
			ID int64 `json:"id"`
		} `json:"chat"`
	} `json:"result"`
	Parameters struct {
		// RetryAfter is in seconds, and documented as an integer.
		RetryAfter      json.RawMessage `json:"retry_after"`
		MigrateToChatID int64           `json:"migrate_to_chat_id"`
	} `json:"parameters"`

	reply    httpsend.Reply
	accepted bool
	// status is the reply's, or the error_code where that says what it does not.
	status int
}

// readAnswer finds out what a reply says. The error is that of one which neither
// accepts nor refuses.
func readAnswer(method string, reply httpsend.Reply) (*answer, error) {
	a := &answer{reply: reply, status: reply.Status}
	understood := reply.Cut == nil && a.parse(reply.Body)
	switch {
	case !reply.OK():
		// The status refuses, whatever the rest of it says.
	case understood && a.OK:
		a.accepted = true
	case understood && a.ErrorCode >= 400 && a.ErrorCode <= 599:
		a.status = a.ErrorCode
	default:
		return nil, a.unclear(method)
	}
	return a, nil
}

// parse reads the body. A field of the wrong type is as if it were not there.
func (a *answer) parse(body []byte) bool {
	err := json.Unmarshal(body, a)
	_, odd := errors.AsType[*json.UnmarshalTypeError](err)
	return err == nil || odd
}

// says is true for a refusal of the request with a text in it, in upper or lower
// case: the server capitalizes as it likes.
func (a *answer) says(text string) bool {
	return a.status == http.StatusBadRequest && strings.Contains(strings.ToLower(a.Description), text)
}

// code is the error_code, as text, where it is not the status over again.
func (a *answer) code() string {
	if a.ErrorCode == 0 || a.ErrorCode == a.status {
		return ""
	}
	return strconv.Itoa(a.ErrorCode)
}

// retryAfter is the delay that the body asks for, 0 for none.
func (a *answer) retryAfter() time.Duration {
	// What is too large for a float is +Inf, and its error is of no interest.
	seconds, _ := strconv.ParseFloat(strings.Trim(string(a.Parameters.RetryAfter), `"`), 64)
	if !(seconds > 0) { // NaN too
		return 0
	}
	return time.Duration(math.Ceil(min(seconds, classify.MaxRetryAfter.Seconds()) * float64(time.Second)))
}

// messageID is the id of the message, empty where there is none.
func (a *answer) messageID() string {
	if a.Result.MessageID <= 0 {
		return ""
	}
	return strconv.FormatInt(a.Result.MessageID, 10)
}

// result is what is told of the message: never nil.
func (a *answer) result() map[string]any {
	r := make(map[string]any)
	if a.Result.Chat.ID != 0 {
		r["chat_id"] = a.Result.Chat.ID
	}
	if a.Result.Date != 0 {
		r["date"] = a.Result.Date
	}
	return r
}

// unclear is the error of a reply that accepts, but not in a way that can be
// understood: most likely the message is there.
func (a *answer) unclear(method string) error {
	e := &classify.Error{
		Channel: Type,
		Table:   table,
		Op:      method,
		Reply:   classify.Reply{Status: a.reply.Status},
		Sent:    classify.SentUnknown,
		Reason:  classify.ReasonInvalidReply,
		Err:     a.reply.Cut,
	}
	if e.Err == nil {
		e.Err = errors.New("the reply cannot be understood")
	}
	return e
}
