package top

import (
	"fmt"
	"slices"
	"strings"
)

// window is the live view: its pane, its first row and its size.
type window struct {
	pane          paneKey
	offset        map[paneKey]int
	width, height int
	// trouble is the error of the latest read; empty if the figures are current.
	trouble string
}

func newWindow() *window { return &window{pane: 'p', offset: make(map[paneKey]int)} }

// press handles a key. It is false if the key ends the view.
func (v *window) press(key string) bool {
	page := max(1, v.height-fixed)
	switch key {
	case "q", "\x03", "\x04": // in raw mode Ctrl-C and Ctrl-D are keys
		return false
	case "j", "\x1b[B", "\x1bOB":
		v.offset[v.pane]++
	case "k", "\x1b[A", "\x1bOA":
		v.offset[v.pane]--
	case " ", "\x1b[6~":
		v.offset[v.pane] += page
	case "\x1b[5~":
		v.offset[v.pane] -= page
	case "g", "\x1b[H":
		v.offset[v.pane] = 0
	case "\t", "\x1b[C", "\x1bOC":
		v.turn(1)
	case "\x1b[D", "\x1bOD", "\x1b[Z":
		v.turn(len(panes) - 1)
	default:
		if pane := paneKey(key[0]); len(key) == 1 && slices.Contains(panes, pane) {
			v.pane = pane
		}
	}
	return true
}

func (v *window) turn(by int) {
	v.pane = panes[(slices.Index(panes, v.pane)+by)%len(panes)]
}

// fixed is how many lines a frame has besides its rows: four of totals, an empty one, the
// tabs, the header and the keys.
const fixed = 8

// lines are the lines of a frame, as many as the window has.
func (v *window) lines(s *Snapshot) []line {
	all := append(head(s), line{}, v.tabs())
	table := s.table(v.pane)
	room := max(1, v.height-fixed)
	header, rows := table[:1], table[1:]
	v.offset[v.pane] = min(max(0, v.offset[v.pane]), max(0, len(rows)-room))
	from := v.offset[v.pane]
	all = append(all, header...)
	all = append(all, rows[from:min(len(rows), from+room)]...)
	for len(all) < v.height-1 {
		all = append(all, line{})
	}
	foot := line{"q quit   p b r d panes   j k ↓ ↑ scroll   " + place(from, room, len(rows)), moodQuiet}
	if v.trouble != "" {
		foot = line{"not updated: " + v.trouble, moodBad}
	}
	all = append(all[:max(0, min(len(all), v.height-1))], foot)
	for i := range all {
		all[i].text = cut(all[i].text, v.width)
	}
	return all
}

// place says which rows are shown; it is empty if all are.
func place(from, room, all int) string {
	if all <= room {
		return ""
	}
	return fmt.Sprintf("rows %d to %d of %d", from+1, min(all, from+room), all)
}

// tabs names the panes, the current one in brackets.
func (v *window) tabs() line {
	names := make([]string, len(panes))
	for i, pane := range panes {
		names[i] = " " + titles[pane] + " "
		if pane == v.pane {
			names[i] = "[" + titles[pane] + "]"
		}
	}
	text := strings.Join(names, "  ")
	if v.pane == 'p' {
		text += "   " + barLegend
	}
	return line{text, moodHead}
}

var moodColours = map[mood]string{moodHead: "\x1b[1m", moodQuiet: "\x1b[2m", moodWarn: "\x1b[33m", moodBad: "\x1b[31;1m"}

// paint is the text that draws lines over the old frame.
func paint(lines []line, colours bool) string {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		if code := moodColours[l.mood]; colours && code != "" {
			b.WriteString(code + l.text + "\x1b[0m")
		} else {
			b.WriteString(l.text)
		}
		b.WriteString("\x1b[K")
	}
	return b.String() + "\x1b[J"
}

// keysIn splits the input of a terminal into keys. An escape sequence is one key.
func keysIn(input string) []string {
	var keys []string
	for input != "" {
		n := 1
		if strings.HasPrefix(input, "\x1b[") || strings.HasPrefix(input, "\x1bO") {
			for n = 2; n < len(input) && (input[n] < '@' || input[n] > '~'); n++ {
			}
			n = min(n+1, len(input))
		}
		keys = append(keys, input[:n])
		input = input[n:]
	}
	return keys
}
