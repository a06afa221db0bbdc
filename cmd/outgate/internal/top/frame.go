package top

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/cmd/outgate/internal/view"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/partition"
)

// paneKey is the key that shows a pane; each pane has one table.
type paneKey byte

// panes are the panes in their order.
var panes = []paneKey{'p', 'b', 'r', 'd'}

var titles = map[paneKey]string{'p': "partitions", 'b': "bridges", 'r': "rooms", 'd': "dead letters"}

// mood decides the colour of a line.
type mood int

const (
	moodNone mood = iota
	moodHead
	moodQuiet
	moodWarn
	moodBad
)

// line is one line of a frame.
type line struct {
	text string
	mood mood
}

// head is the lines above the tables: the totals and the rates.
func head(s *Snapshot) []line {
	t := s.Totals
	fill := 0.0
	if t.Capacity > 0 {
		fill = 100 * float64(t.Depth) / float64(t.Capacity)
	}
	rates := "rates are known in a few seconds"
	if r := s.Rates; r != nil {
		rates = fmt.Sprintf("admitted %.1f/s   delivered %.1f/s   failed %.1f/s   duplicates %.1f/s",
			r.AdmittedPerS, r.DeliveredPerS, r.FailedPerS, r.DuplicatesPerS)
	}
	oldest := "-"
	if t.Depth > 0 {
		oldest = human.Age(max(1, t.OldestMS))
	}
	return []line{
		{fmt.Sprintf("outgate top   %s   %s   %s", human.Plain(s.Redis), time.UnixMilli(s.AtMS).Format("15:04:05"), human.Count(t.Workers, "worker")), moodHead},
		{fmt.Sprintf("waiting %d of %d (%.1f %%)   pressure %s   oldest message %s   dead letters %d", t.Depth, t.Capacity, fill, t.Level, oldest, t.DeadLetters), moodOf(t.Level)},
		{fmt.Sprintf("active %d   pending %d   retry %d   parked %d   settled %d   failed %d", t.Active, t.Pending, t.Retry, t.Parked, t.Settled, t.Failed), moodNone},
		{rates, moodNone},
	}
}

func moodOf(l partition.Level) mood {
	switch l {
	case partition.Shed:
		return moodBad
	case partition.Degraded, partition.Warn:
		return moodWarn
	default:
		return moodNone
	}
}

// table is the table of a pane: its header and its rows.
func (s *Snapshot) table(pane paneKey) []line {
	var header string
	var rows [][]string
	var moods []mood
	none := ""
	switch pane {
	case 'p':
		header = "PARTITION FILL DEPTH ACTIVE PENDING RETRY PARKED DEAD OLDEST PRESSURE OWNER"
		for _, p := range s.Partitions {
			rows, moods = append(rows, partitionRow(p.Stats)), append(moods, partitionMood(p.Stats))
		}
	case 'b':
		header, none = view.BridgeHeader, "no bridges are configured"
		for _, b := range s.Bridges {
			m := moodNone
			if b.Suspension != nil {
				m = moodBad
			}
			rows, moods = append(rows, view.BridgeRow(b, time.UnixMilli(s.AtMS))), append(moods, m)
		}
	case 'r':
		header, none = "ROOM LENGTH AGE HEAD ATTEMPTS WAITS-FOR", "no messages are waiting"
		for _, r := range s.Rooms {
			m := moodNone
			if r.WaitsFor == api.WaitOperator || r.Suspended != nil || r.Unavailable != nil {
				m = moodWarn
			}
			rows = append(rows, []string{
				r.Line, strconv.FormatInt(r.Length, 10), human.Age(max(1, r.AgeMS)), view.HeadState(r), strconv.Itoa(r.Attempts),
				view.WaitsFor(r, time.UnixMilli(s.AtMS)),
			})
			moods = append(moods, m)
		}
	case 'd':
		header, none = "DEAD-LETTER BRIDGE ROOM CATEGORY REASON DIED STATE", "no dead letters"
		for _, d := range s.DeadLetters {
			rows, moods = append(rows, s.deadRow(d)), append(moods, moodNone)
		}
	}
	return align(none, header, rows, moods)
}

func (s *Snapshot) deadRow(d api.Letter) []string {
	state := "dead"
	switch {
	case d.ReplayedAs != "":
		state = "replayed as " + d.ReplayedAs
	case d.Held:
		state = "on hold"
	}
	return []string{d.ID, d.BridgeID, d.ExternalRoomID, string(d.Category), string(d.Reason), human.Age(max(1, s.AtMS-d.DiedAtMS)) + " ago", state}
}

func partitionRow(p partition.Stats) []string {
	n := func(n int64) string { return strconv.FormatInt(n, 10) }
	oldest := ""
	if p.Depth > 0 {
		oldest = human.Age(max(1, p.OldestMS))
	}
	owner := p.Owner
	if p.Paused {
		owner += " (paused)"
	}
	return []string{
		p.Queue, bar(p, barWidth), n(p.Depth), n(p.Active), n(p.Pending), n(p.Retry), n(p.Scheduled), n(p.DeadLetters), oldest, string(p.Level), owner,
	}
}

func partitionMood(p partition.Stats) mood {
	switch {
	case p.Owner == "" && p.Depth > 0:
		return moodBad
	case p.Paused:
		return moodWarn
	}
	return moodOf(p.Level)
}

const (
	barWidth  = 20
	barLegend = "█ active  ▓ pending  ▒ retry  ░ parked  · free"
)

// bar shows how full a partition is, by state. A state with at least one message has at
// least one cell, if there is room.
func bar(p partition.Stats, width int) string {
	var b strings.Builder
	sum, cells := int64(0), 0
	for _, part := range []struct {
		n    int64
		cell string
	}{{p.Active, "█"}, {p.Pending, "▓"}, {p.Retry, "▒"}, {p.Scheduled, "░"}} {
		sum += part.n
		edge := cells
		if p.Capacity > 0 {
			edge = min(width, int((sum*int64(width)+p.Capacity-1)/p.Capacity))
		}
		b.WriteString(strings.Repeat(part.cell, max(0, edge-cells)))
		cells = max(cells, edge)
	}
	return b.String() + strings.Repeat("·", width-cells)
}

// align puts rows into columns under a header.
func align(none, header string, rows [][]string, moods []mood) []line {
	if len(rows) == 0 {
		return []line{{none, moodQuiet}}
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, strings.Join(strings.Fields(header), "\t"))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = human.Plain(cell)
		}
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush()
	var lines []line
	for i, t := range strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n") {
		l := line{strings.TrimRight(t, " "), moodQuiet}
		if i > 0 {
			l.mood = moods[i-1]
		}
		lines = append(lines, l)
	}
	return lines
}

// Text is the snapshot as one frame of text, with all panes.
func (s *Snapshot) Text() string {
	var b strings.Builder
	for _, l := range head(s) {
		b.WriteString(l.text + "\n")
	}
	for _, pane := range panes {
		b.WriteString("\n" + titles[pane])
		if pane == 'p' {
			b.WriteString("   " + barLegend)
		}
		b.WriteString("\n")
		for _, l := range s.table(pane) {
			b.WriteString(l.text + "\n")
		}
	}
	return b.String()
}

// cut shortens a text to a width in code points.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(0, width-1)]) + "…"
}
