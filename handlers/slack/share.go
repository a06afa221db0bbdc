package slack

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// shareWaits are the pauses before each question for the message of a file that was
// sent: Slack mostly has shared it after a second or two. It takes 20 uploads a
// minute and 100 of these questions.
var shareWaits = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}

var errNotShared = errors.New("the id is that of a file, which Slack has not shared in this channel yet")

// file is a file in an answer. Its shares are the messages it stands in, by
// "public" or "private" and by channel.
type file struct {
	ID     string                        `json:"id"`
	Shares map[string]map[string][]share `json:"shares"`
}

type share struct {
	TS string `json:"ts"`
}

// in is the ts of the message that the file stands in, the first where somebody has
// shared it again.
func (f *file) in(channel string) string {
	shares := slices.Concat(f.Shares["public"][channel], f.Shares["private"][channel])
	shares = slices.DeleteFunc(shares, func(s share) bool { return s.TS == "" })
	if len(shares) == 0 {
		return ""
	}
	return slices.MinFunc(shares, func(a, b share) int { return strings.Compare(a.TS, b.TS) }).TS
}

// await asks a few times for the ts of a file that was sent. It is empty where Slack
// does not tell it in time: the message is sent all the same, and may be edited by
// the file's id.
func (c *Channel) await(ctx context.Context, id, channel string) string {
	for _, wait := range c.shareWaits {
		if !pause(ctx, wait) {
			return ""
		}
		f, err := c.info(ctx, id)
		if err != nil {
			return ""
		}
		if ts := f.in(channel); ts != "" {
			return ts
		}
	}
	return ""
}

// pause waits, and answers false where the context would end before.
func pause(ctx context.Context, wait time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// info asks what Slack knows of a file.
func (c *Channel) info(ctx context.Context, id string) (file, error) {
	a, err := c.callForm(ctx, fileInfo, url.Values{"file": {id}})
	return a.File, err
}

// target is the ts of the message that m changes. Its id may be that of a file, which
// looks like F0123ABCD where a ts is a number; then Slack is asked for the message.
// An error says that nothing was sent.
func (c *Channel) target(ctx context.Context, m tasks.Message) (string, error) {
	id := m.ExternalMessageID
	if !strings.HasPrefix(id, "F") {
		return id, nil
	}
	f, err := c.info(ctx, id)
	switch ts := f.in(m.ExternalRoomID); {
	case hasCode(err, "missing_scope"):
		// The bot lacks files:read, which it needs for nothing else: the bridge is
		// not broken.
		e, _ := errors.AsType[*classify.Error](err)
		e.Reason = classify.ReasonUnsupportedOperation
		return "", e
	case err != nil:
		return "", narrow(unsent(err))
	case ts == "":
		return "", &classify.Error{
			Channel: Type, Table: table, Op: fileInfo, Sent: classify.SentNo, Reason: classify.ReasonUnavailable, Err: errNotShared,
		}
	default:
		return ts, nil
	}
}
