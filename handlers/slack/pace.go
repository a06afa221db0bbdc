package slack

import (
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// Slack counts the requests of each method apart, for an app in a workspace
// (https://docs.slack.dev/apis/web-api/rate-limits). Posts have a limit of their own,
// a second for each channel; that of the whole workspace has no number.
//
// Edits have a limit of the channel, too, though Slack knows none: without it a flood
// of edits of one message uses up the minute's 50 at once, and the last edit waits for
// the next minute. Spread evenly, each waits for little more than a second, and those
// that a later one makes needless are left out meanwhile.
var (
	postPace = ratelimit.Pace{Route: postMessage, Room: ratelimit.Must("1/1s"), PerRoute: true}
	editPace = ratelimit.Pace{
		Route: updateMessage, PerRoute: true,
		Bridge: ratelimit.Must("50/60s"), Room: ratelimit.Must("1/1200ms"),
	}
	filePace = ratelimit.Pace{Route: completeUpload, Bridge: ratelimit.Must("20/60s"), PerRoute: true}
)

// Pace is Slack's limit of the method that puts m into its room. Media is uploaded
// to be sent and to be edited, and so has one route.
func (c *Channel) Pace(m tasks.Message) ratelimit.Pace {
	switch {
	case m.Operation.IsMedia():
		return filePace
	case m.Operation.IsEdit():
		return editPace
	default:
		return postPace
	}
}
