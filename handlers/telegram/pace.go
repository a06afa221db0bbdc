package telegram

import (
	"strings"

	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

var (
	botPace   = ratelimit.Must("30/1s")
	chatPace  = ratelimit.Must("1/1s")
	groupPace = ratelimit.Must("1/1s 20/60s")
)

// Pace is what Telegram says of a bot's limits; sends and edits count together.
func (c *Channel) Pace(m tasks.Message) ratelimit.Pace {
	if isGroup(m.ExternalRoomID) {
		return ratelimit.Pace{Bridge: botPace, Room: groupPace}
	}
	return ratelimit.Pace{Bridge: botPace, Room: chatPace}
}

// isGroup is true for groups, supergroups and channels; people have positive ids.
func isGroup(room string) bool {
	return strings.HasPrefix(room, "-") || strings.HasPrefix(room, "@")
}
