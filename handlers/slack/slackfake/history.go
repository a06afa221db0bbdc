package slackfake

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/outgate/outgate/handlers/internal/fakes"
)

// defaultPage and maxPage are how many messages a page of history has.
const (
	defaultPage = 100
	maxPage     = 999
)

// history answers the messages of a channel that are not replies, newest first.
func (c *call) history() (reply, string) {
	room := c.args.text("channel")
	if code := c.fake.readable(room); code != "" {
		return nil, code
	}
	messages := slices.DeleteFunc(c.fake.Messages(room), func(m fakes.Message) bool { return m.Thread != "" })
	slices.Reverse(messages)
	return c.page(messages)
}

// replies answers a message and those that answer it, oldest first.
func (c *call) replies() (reply, string) {
	room, ts := c.args.text("channel"), c.args.text("ts")
	if code := c.fake.readable(room); code != "" {
		return nil, code
	}
	if !c.fake.exists(room, ts) {
		return nil, "thread_not_found"
	}
	messages := slices.DeleteFunc(c.fake.Messages(room), func(m fakes.Message) bool { return m.Thread != ts && m.ID != ts })
	return c.page(messages)
}

// page answers those messages that are not too old, as many as are asked for.
func (c *call) page(messages []fakes.Message) (reply, string) {
	oldest, inclusive := c.args.text("oldest"), c.args.is("inclusive", false)
	messages = slices.DeleteFunc(messages, func(m fakes.Message) bool {
		order := compare(m.ID, oldest)
		return order < 0 || order == 0 && !inclusive
	})
	limit, err := strconv.Atoi(c.args.text("limit"))
	if err != nil || limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	start, ok := position(c.args.text("cursor"))
	if !ok || start > len(messages) {
		return nil, "invalid_cursor"
	}
	end := min(start+limit, len(messages))
	shown := []reply{}
	for _, m := range messages[start:end] {
		shown = append(shown, c.fake.show(m, c.args.is("include_all_metadata", false)))
	}
	answer := reply{"messages": shown, "has_more": end < len(messages)}
	if end < len(messages) {
		answer["response_metadata"] = reply{"next_cursor": cursor(end)}
	}
	return answer, ""
}

// readable is the code for a channel that is not there. One that cannot be written to
// can be read.
func (f *Fake) readable(room string) string {
	if code := f.writable(room); code == "channel_not_found" {
		return code
	}
	return ""
}

const cursorMark = "next_ts:"

func cursor(n int) string {
	return base64.StdEncoding.EncodeToString([]byte(cursorMark + strconv.Itoa(n)))
}

// position is where the page of a cursor begins.
func position(cursor string) (int, bool) {
	if cursor == "" {
		return 0, true
	}
	text, _ := base64.StdEncoding.DecodeString(cursor)
	n, ok := strings.CutPrefix(string(text), cursorMark)
	start, err := strconv.Atoi(n)
	return start, ok && err == nil && start >= 0
}

// compare puts two ts in order. One that is empty or 0 is before all.
func compare(a, b string) int {
	parse := func(ts string) [2]int64 {
		seconds, fraction, _ := strings.Cut(ts, ".")
		s, _ := strconv.ParseInt(seconds, 10, 64)
		f, _ := strconv.ParseInt((fraction + "000000")[:6], 10, 64)
		return [2]int64{s, f}
	}
	x, y := parse(a), parse(b)
	return slices.Compare(x[:], y[:])
}
