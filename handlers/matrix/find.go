package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/outgate/outgate/tasks"
)

const (
	opFind = "find"
	// perPage is how many events are asked for at a time.
	perPage = 100
	// maxPages bounds a search.
	maxPages = 10
	// skew is how far the homeserver's clock may be from ours.
	skew = 5 * time.Minute
)

// errFar ends a search that has found nothing but has not come to its end.
var errFar = errors.New("too many messages of ours since then")

// page is a page of a room's events, the newest first.
type page struct {
	Chunk []event `json:"chunk"`
	// End is where the next page begins, empty for the last.
	End string `json:"end"`
}

type event struct {
	ID      string `json:"event_id"`
	Sender  string `json:"sender"`
	At      int64  `json:"origin_server_ts"`
	Content struct {
		URL string `json:"url"`
		// Token may be anything in an event that is not ours.
		Token json.RawMessage `json:"com.github.outgate.token"`
	} `json:"content"`
}

// Find looks for the message with m's token among those that our user wrote in the
// room. Others may have copied the token: forwarding a message does.
func (c *Channel) Find(ctx context.Context, m tasks.Message, since time.Time) (tasks.Delivery, bool, error) {
	room, err := c.room(ctx, m.ExternalRoomID)
	if err != nil {
		return tasks.Delivery{}, false, err
	}
	user, err := c.user(ctx)
	if err != nil {
		return tasks.Delivery{}, false, err
	}
	since = since.Add(-skew)
	from := ""
	for range maxPages {
		p, err := c.page(ctx, room, user, from)
		if err != nil {
			return tasks.Delivery{}, false, err
		}
		for i := range p.Chunk {
			e := &p.Chunk[i]
			if e.Sender != user {
				continue
			}
			if e.token() == m.Token {
				return delivery(&m, e.ID, e.Content.URL), true, nil
			}
			if time.UnixMilli(e.At).Before(since) {
				return tasks.Delivery{}, false, nil
			}
		}
		if p.End == "" || p.End == from {
			return tasks.Delivery{}, false, nil
		}
		from = p.End
	}
	return tasks.Delivery{}, false, odd(opFind, errFar)
}

func (e *event) token() string {
	var token string
	_ = json.Unmarshal(e.Content.Token, &token)
	return token
}

// page reads a page of our user's messages in a room.
func (c *Channel) page(ctx context.Context, room, user, from string) (page, error) {
	filter, _ := json.Marshal(map[string][]string{"types": {"m.room.message"}, "senders": {user}})
	query := url.Values{"dir": {"b"}, "limit": {strconv.Itoa(perPage)}, "filter": {string(filter)}}
	if from != "" {
		query.Set("from", from)
	}
	reply, err := c.call(ctx, request{
		op: opFind, method: http.MethodGet, long: true, query: query,
		path: []string{"client", "v3", "rooms", room, "messages"},
	})
	if err != nil {
		return page{}, unsent(err)
	}
	if reply.Cut != nil {
		return page{}, odd(opFind, reply.Cut)
	}
	var p page
	if err := json.Unmarshal(reply.Body, &p); err != nil || p.Chunk == nil {
		return page{}, odd(opFind, errors.New("the reply is no page of events"))
	}
	return p, nil
}
