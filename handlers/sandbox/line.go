package sandbox

import (
	"fmt"
	"strconv"

	"github.com/outgate/outgate/tasks"
)

// maxShown is how much of a text or a URL stands in a line, in runes.
const maxShown = 120

// line is a delivery as it is printed: time, room, operation, what, message id.
func (r *Record) line() string {
	return fmt.Sprintf("%s  %s  %-10s  %s  %s\n",
		r.Time.Format("15:04:05.000"), plain(r.Message.RoutingKey()), r.Message.Operation, what(&r.Message), plain(r.MessageID))
}

// what shows the text or the media, quoted, so that it stays one line.
func what(m *tasks.Message) string {
	if m.Media == nil {
		return quote(m.Text)
	}
	s := string(m.Media.Kind) + " "
	if m.Media.URL != "" {
		s += quote(m.Media.URL)
	} else {
		s += fmt.Sprintf("(%d bytes of base64)", len(m.Media.Data))
	}
	if m.Media.Caption != "" {
		s += " " + quote(m.Media.Caption)
	}
	return s
}

// plain leaves an id as it is, unless it would spoil the line.
func plain(id string) string {
	if q := strconv.Quote(id); q != `"`+id+`"` {
		return q
	}
	return id
}

// quote shows the beginning of a text on one line.
func quote(s string) string {
	n := 0
	for i := range s {
		if n == maxShown {
			return fmt.Sprintf("%q…", s[:i])
		}
		n++
	}
	return fmt.Sprintf("%q", s)
}
