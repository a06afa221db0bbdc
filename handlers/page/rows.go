package page

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/handlers/ops"
)

// picture is the data of the template. The Empty rows are for the script to copy.
type picture struct {
	Version, Mark, Taken string
	Links                []Link
	Down                 bool
	RoomsShown, Sampled  int
	EventsShown          int
	// Open is how many dead letters were not replayed.
	Open       string
	Overview   api.Overview
	Bridges    api.Bridges
	Rooms      api.Rooms
	Groups     api.Groups
	Legend     []api.Constraint
	Cells      []cell
	BridgeRows []bridgeRow
	RoomRows   []roomRow
	GroupRows  []groupRow
	EventRows  []eventRow

	EmptyCell   cell
	EmptyBridge bridgeRow
	EmptyRoom   roomRow
	EmptyGroup  groupRow
	EmptyEvent  eventRow
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
	// Slowed is the share of attempts that were answered with 429; Slow is "warn" if
	// the share is high.
	Slowed, Slow string
}

func bridgeRowOf(b api.Bridge, now int64) bridgeRow {
	row := bridgeRow{Bridge: b}
	row.Slowed, row.Slow = slowed(b.Recent.RateLimited, b.Recent.Attempts)
	var parts []string
	for _, l := range b.Limits {
		parts = append(parts, fmt.Sprintf("%d of %s", l.Used, l.Limit))
	}
	for _, l := range b.RoomLimits {
		parts = append(parts, l+" per room")
	}
	if b.Share < 1 {
		parts = append(parts, fmt.Sprintf("slowed to %.0f %%", math.Floor(100*b.Share)))
	}
	row.Limit = strings.Join(parts, ", ")
	if s := b.Suspension; s != nil {
		row.Why = strings.TrimSpace("by " + s.By + " " + age(now-s.SinceMS) + " ago" + because(string(s.Reason), s.Text))
	} else if b.ClosedUntilMS > 0 {
		row.Why = "the provider asks to wait " + age(b.ClosedUntilMS-now) + " more"
	}
	return row
}

// slowed formats the share of rate-limited attempts. From 1 % on it is a warning: the
// configured limit is too high.
func slowed(limited, attempts int64) (text, state string) {
	share := 100 * float64(limited) / float64(attempts)
	switch {
	case attempts == 0:
		return "–", ""
	case limited == 0:
		text = "0 %"
	case share < .1:
		text = "< 0.1 %"
	default:
		text = fmt.Sprintf("%.1f %%", share)
	}
	if share >= 1 {
		state = "warn"
	}
	return text + " of " + count(attempts), state
}

func because(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ": ")
}

type roomRow struct {
	api.Room
	Waits, Next string
}

// waits says what a head waits for. render.js has the same words.
var waits = map[api.Wait]string{
	api.WaitNothing: "nothing: being sent", api.WaitWorker: "a worker", api.WaitLimit: "a rate limit", api.WaitRetry: "its next attempt",
	api.WaitBridge: "its suspended bridge", api.WaitOperator: "an operator: on hold", api.WaitSweeper: "the sweeper",
}

func roomRowOf(r api.Room, now int64) roomRow {
	row := roomRow{Room: r, Waits: waits[r.WaitsFor]}
	if r.NextMS > now {
		row.Next = "in " + age(r.NextMS-now)
	}
	if row.Next != "" && r.WaitsFor == api.WaitBridge {
		row.Next = "next check " + row.Next
	}
	return row
}

type groupRow struct {
	api.Group
	Over, Newest, Open, Error string
}

func groupRowOf(g api.Group, now int64) groupRow {
	row := groupRow{Group: g, Over: strings.Join(g.Bridges, ", "), Open: count(int64(g.Count - g.Replayed)), Error: g.Sample.Provider}
	if g.NewestMS > 0 {
		row.Newest = age(now-g.NewestMS) + " ago"
	}
	return row
}

// open counts the dead letters that were not replayed. If the API did not examine all
// of them, there may be more.
func open(g api.Groups) string {
	n := 0
	for _, group := range g.Groups {
		n += group.Count - group.Replayed
	}
	if int64(g.LookedAt) < g.Total {
		return "≥ " + count(int64(n))
	}
	return count(int64(n))
}

type eventRow struct {
	api.Event
	Key, At, Ago, Happened string
}

// happened names the kinds of events. render.js has the same words.
var happened = map[ops.EventKind]string{
	ops.BridgeSuspended: "bridge suspended", ops.BridgeResumed: "bridge resumed", ops.ProbeFailed: "probe failed",
	ops.PressureChanged: "pressure changed", ops.WorkerJoined: "worker joined", ops.WorkerLeft: "worker left",
	ops.DeadLettersReplay: "dead letter replay", ops.DeadLettersDropped: "dead letter removal",
}

func eventRowOf(e api.Event, now int64) eventRow {
	return eventRow{
		Event: e, Key: fmt.Sprintf("%d %s %s", e.AtMS, e.What, e.About), Happened: cmp.Or(happened[e.What], string(e.What)), Ago: age(now-e.AtMS) + " ago",
		At: time.UnixMilli(e.AtMS).UTC().Format(time.DateTime) + " UTC",
	}
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
	"meaning": func(c api.Constraint) string { return meanings[c] },
}

// meanings explain the constraints in the legend.
var meanings = map[api.Constraint]string{
	api.Idle:      "no messages wait",
	api.Busy:      "messages are being delivered; more workers would deliver more",
	api.Throttled: "most rooms wait for a rate limit",
	api.Blocked:   "most rooms wait for a next attempt, a suspended bridge or an operator",
	api.Paused:    "an operator paused the queue",
	api.Shedding:  "so full that messages of low priority are refused",
}

// count formats a number with a comma between thousands.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// rate formats a figure per second; a dash if it is not known yet.
func rate(f *float64) string {
	switch {
	case f == nil:
		return "–"
	case *f >= 10 || *f == 0:
		return count(int64(math.Round(*f)))
	}
	return strconv.FormatFloat(*f, 'f', 1, 64)
}

// age formats a duration, given in ms.
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
