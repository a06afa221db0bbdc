package discord

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

const (
	// pageSize is how many messages a page has, the most that Discord gives.
	pageSize = 100
	// maxPages bounds a search.
	maxPages = 10
	// skew is how far Discord's clock may be behind ours.
	skew = time.Minute
	// epoch is where Discord's ids begin to count milliseconds, 22 bits to the left
	// (https://docs.discord.com/developers/reference#snowflakes).
	epoch = 1420070400000
)

// Find looks for the message with m's nonce, from since onwards; a zero since means
// the newest messages. A message that was deleted is not found.
func (c *Channel) Find(ctx context.Context, m tasks.Message, since time.Time) (tasks.Delivery, bool, error) {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	want, after := nonce(&m), uint64(max(since.Add(-skew).UnixMilli()-epoch, 0))<<22
	for range maxPages {
		if !since.IsZero() {
			query.Set("after", strconv.FormatUint(after, 10))
		}
		page, err := c.page(ctx, &m, query)
		if err != nil {
			return tasks.Delivery{}, false, err
		}
		for _, found := range page {
			if found.is(want) {
				return found.delivery(), true, nil
			}
			after = max(after, found.number())
		}
		if len(page) < pageSize || since.IsZero() {
			return tasks.Delivery{}, false, nil
		}
	}
	return tasks.Delivery{}, false, &classify.Error{
		Channel: Type, Table: table, Op: opList, Reason: classify.ReasonAmbiguous,
		Err: fmt.Errorf("not among the first %d messages", maxPages*pageSize),
	}
}

// page is a page of the messages of m's room.
func (c *Channel) page(ctx context.Context, m *tasks.Message, query url.Values) ([]listed, error) {
	r, err := c.do(ctx, call{op: opList, method: http.MethodGet, m: m, query: query})
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		return nil, c.refused(opList, r)
	}
	var page []listed
	if !read(r.Body, &page) || page == nil {
		return nil, c.sender.Unclear(opList, r, "the reply is no list of messages")
	}
	return page, nil
}

// listed is a message of a page.
type listed struct {
	message

	// Nonce is a text or a number, as its sender chose.
	Nonce json.RawMessage `json:"nonce"`
}

// is tells whether the message has a nonce.
func (l *listed) is(nonce string) bool {
	var s string
	return json.Unmarshal(l.Nonce, &s) == nil && s == nonce && l.ID != ""
}

// number is the id as a number, by which messages are in order.
func (l *listed) number() uint64 {
	n, _ := strconv.ParseUint(l.ID, 10, 64)
	return n
}
