package page

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/outgate/outgate/cmd/outgate/internal/api"
)

// picture is what the template is filled with. The rows without an initial are empty
// ones, for the script to copy.
type picture struct {
	Version, Mark, Taken string
	Down                 bool
	RoomsShown, Sampled  int
	Overview             api.Overview
	Bridges              api.Bridges
	Rooms                api.Rooms
	Groups               api.Groups
	Legend               []api.Constraint
	Cells                []cell
	BridgeRows           []bridgeRow
	RoomRows             []roomRow
	GroupRows            []groupRow

	EmptyCell   cell
	EmptyBridge bridgeRow
	EmptyRoom   roomRow
	EmptyGroup  groupRow
}

// cell is a partition on the map.
type cell struct {
	Key   int
	State api.Constraint
	// Fill is how full it is, in tenths.
	Fill  int
	Label string
}

func cellOf(p api.Partition) cell {
	fill := 0
	if p.Depth > 0 && p.Capacity > 0 {
		fill = max(1, min(10, int(10*p.Depth/p.Capacity)))
	}
	return cell{
		Key: p.Partition, State: p.Constraint, Fill: fill,
		Label: fmt.Sprintf("partition %d: %s, %s waiting", p.Partition, p.Constraint, count(p.Depth)),
	}
}

type bridgeRow struct {
	api.Bridge
	Limit, Why string
}

func bridgeRowOf(b api.Bridge, now int64) bridgeRow {
	row := bridgeRow{Bridge: b}
	var parts []string
	for _, l := range b.Limits {
		parts = append(parts, fmt.Sprintf("%d of %s", l.Used, l.Limit))
	}
	for _, l := range b.RoomLimits {
		parts = append(parts, l+" a room")
	}
	row.Limit = strings.Join(parts, ", ")
	if s := b.Suspension; s != nil {
		row.Why = strings.TrimSpace("by " + s.By + " " + age(now-s.SinceMS) + " ago" + because(string(s.Reason), s.Text))
	} else if b.ClosedUntilMS > 0 {
		row.Why = "its provider said to wait, for " + age(b.ClosedUntilMS-now)
	}
	return row
}

func because(parts ...string) string {
	if text := strings.TrimSpace(strings.Join(parts, " ")); text != "" {
		return ": " + text
	}
	return ""
}

type roomRow struct {
	api.Room
	Waits, Next string
}

// waits says what a head waits for; the script has the same words.
var waits = map[api.Wait]string{
	api.WaitNothing: "being sent", api.WaitWorker: "a worker", api.WaitLimit: "its limit", api.WaitRetry: "its next attempt",
	api.WaitBridge: "its bridge, suspended", api.WaitOperator: "an operator: held", api.WaitSweeper: "the sweeper",
}

func roomRowOf(r api.Room, now int64) roomRow {
	row := roomRow{Room: r, Waits: waits[r.WaitsFor]}
	if r.NextMS > now {
		row.Next = "in " + age(r.NextMS-now)
	}
	return row
}

type groupRow struct {
	api.Group
	Over, Newest, Open, Said string
}

func groupRowOf(g api.Group, now int64) groupRow {
	row := groupRow{Group: g, Over: strings.Join(g.Bridges, ", "), Open: count(int64(g.Count - g.Replayed)), Said: g.Sample.Provider}
	if g.NewestMS > 0 {
		row.Newest = age(now-g.NewestMS) + " ago"
	}
	return row
}

var formats = template.FuncMap{
	"count": func(n any) string {
		switch v := n.(type) {
		case int64:
			return count(v)
		case int:
			return count(int64(v))
		}
		return ""
	},
	"age": age, "rate": rate,
}

// count writes a number with its thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// rate writes a figure a second; a dash where it is not known yet.
func rate(f *float64) string {
	switch {
	case f == nil:
		return "–"
	case *f >= 10 || *f == 0:
		return count(int64(math.Round(*f)))
	}
	return strconv.FormatFloat(*f, 'f', 1, 64)
}

// age writes a time in ms in words.
func age(ms int64) string {
	d := time.Duration(max(0, ms)) * time.Millisecond
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d", int(d.Hours())/24)
}
