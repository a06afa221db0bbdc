package discord

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

const (
	codeUnknownMessage = "10008"
	// maxPage is how much is told of a reply that is no JSON, in bytes.
	maxPage = 200
	// maxFaults bounds how many faults of a form are told, maxDepth how deep they
	// may lie.
	maxFaults, maxDepth = 5, 8
)

// message is what is read of a message.
type message struct {
	ID          string `json:"id"`
	ChannelID   string `json:"channel_id"`
	Timestamp   string `json:"timestamp"`
	Edited      string `json:"edited_timestamp"`
	Attachments []file `json:"attachments"`
}

type file struct {
	ID   string `json:"id"`
	URL  string `json:"url"`
	Size int64  `json:"size"`
}

// delivery is what a message tells of itself.
func (m *message) delivery() tasks.Delivery {
	result := make(map[string]any)
	for key, value := range map[string]string{
		"channel_id": m.ChannelID, "timestamp": m.Timestamp, "edited_timestamp": m.Edited,
	} {
		if value != "" {
			result[key] = value
		}
	}
	if len(m.Attachments) > 0 {
		result["attachments"] = m.Attachments
	}
	return tasks.Delivery{MessageID: m.ID, Result: result}
}

// readMessage reads the message of a reply; it answers false for one without an id.
func readMessage(body []byte) (tasks.Delivery, bool) {
	var m message
	if !read(body, &m) || m.ID == "" {
		return tasks.Delivery{}, false
	}
	return m.delivery(), true
}

// read reads JSON and answers false for what is none. A field of the wrong type is as
// if it were not there: nothing that is told besides the id is worth a doubt.
func read(body []byte, into any) bool {
	err := json.Unmarshal(body, into)
	_, odd := errors.AsType[*json.UnmarshalTypeError](err)
	return err == nil || odd
}

// pause is how long a bucket stays empty that this reply says is empty now.
func pause(h http.Header) time.Duration {
	if h.Get("X-RateLimit-Remaining") != "0" {
		return 0
	}
	return seconds(h.Get("X-RateLimit-Reset-After"))
}

// seconds reads a decimal number of seconds, rounded up to milliseconds; what is
// none is 0.
func seconds(s string) time.Duration {
	d, ok := classify.ParseRetryAfter(s, time.Time{})
	if !ok {
		return 0
	}
	return up(d)
}

// delay reads a number of seconds of JSON, which may have an exponent.
func delay(n json.Number) time.Duration {
	f, err := n.Float64()
	if err != nil {
		return 0
	}
	return seconds(strconv.FormatFloat(f, 'f', -1, 64))
}

// up rounds up to milliseconds.
func up(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

// refused is the error of a refusal. A limit closes the bot where Discord calls it
// global, or where it is not Discord that answers but the wall before it; any other
// is that of a bucket.
func (c *Channel) refused(op string, r httpsend.Reply) *classify.Error {
	f := readFault(r.Body)
	e := c.sender.Refused(op, r, f.code, f.message)
	e.RetryAfter = up(max(e.RetryAfter, f.retryAfter))
	if r.Status/100 == 4 && f.isJSON && // some limits are a 400
		!f.global && r.Header.Get("X-RateLimit-Scope") != "global" && r.Header.Get("X-RateLimit-Global") != "true" {
		e.Scope = classify.ScopeRoomRoute
	}
	return e
}

// fault is what is read of a refusal.
type fault struct {
	code, message string
	retryAfter    time.Duration
	global        bool
	// isJSON is false where the answer is none of Discord's API.
	isJSON bool
}

// readFault reads a refusal; whatever of it has a wrong type is as if it were not
// there.
func readFault(body []byte) fault {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		return fault{message: string(body[:min(len(body), maxPage)])}
	}
	f := fault{isJSON: true}
	var number json.Number
	if json.Unmarshal(fields["code"], &number) == nil && number != "0" { // 0 is a "general error"
		f.code = number.String()
	}
	number = ""
	if json.Unmarshal(fields["retry_after"], &number) == nil {
		f.retryAfter = delay(number)
	}
	_ = json.Unmarshal(fields["global"], &f.global)
	_ = json.Unmarshal(fields["message"], &f.message)
	var faults []string
	collect(&faults, "", fields["errors"], maxDepth)
	if len(faults) > 0 {
		f.message = strings.TrimSpace(f.message + ": " + strings.Join(faults, "; "))
	}
	return f
}

// collect lists the faults of a form by the path of their field
// (https://docs.discord.com/developers/reference#error-messages).
func collect(faults *[]string, path string, raw json.RawMessage, depth int) {
	var fields map[string]json.RawMessage
	if depth == 0 || json.Unmarshal(raw, &fields) != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "_errors" {
			collect(faults, strings.TrimPrefix(path+"."+name, "."), fields[name], depth-1)
			continue
		}
		var list []struct{ Code, Message string }
		_ = json.Unmarshal(fields[name], &list)
		for _, f := range list {
			if len(*faults) < maxFaults {
				*faults = append(*faults, strings.TrimPrefix(path+": "+f.Code+": "+f.Message, ": "))
			}
		}
	}
}
