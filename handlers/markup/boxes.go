package markup

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/atom"
)

// box is an open list, item or quote.
type box struct {
	tag    atom.Atom
	number int
	// prefix, lead and led are the writer's from before the box.
	prefix, lead string
	led          bool
}

// openBox begins a list, an item or a quote.
func (r *reader) openBox(tag atom.Atom) {
	if n := len(r.boxes); tag == atom.Li && n > 0 && r.boxes[n-1].tag == atom.Li {
		r.closeBox(atom.Li) // An item that was not closed ends when the next one begins.
	}
	breaks := 2
	if r.inItem() || tag == atom.Li {
		breaks = 1
	}
	r.blockBreak(breaks)
	if len(r.boxes) == maxOpen {
		return
	}
	r.boxes = append(r.boxes, box{tag: tag, number: 1, prefix: r.prefix, lead: r.lead, led: r.led})
	switch tag {
	case atom.Li:
		r.item()
	case atom.Blockquote:
		r.begins("> ", "> ")
	default:
	}
}

// item begins an item with its marker.
func (r *reader) item() {
	marker := r.bullet
	if n := len(r.boxes); n > 1 && r.boxes[n-2].tag == atom.Ol {
		marker = strconv.Itoa(r.boxes[n-2].number) + ". "
		r.boxes[n-2].number++
	}
	r.begins(marker, strings.Repeat(" ", utf8.RuneCountInString(marker)))
}

// begins puts a marker before the next line and an indent before the lines that follow.
func (r *reader) begins(marker, indent string) {
	if !r.led {
		r.lead, r.led = r.prefix, true
	}
	r.lead += marker
	r.prefix += indent
}

func (r *reader) inItem() bool {
	return slices.ContainsFunc(r.boxes, func(b box) bool { return b.tag == atom.Li })
}

// closeBox ends the innermost box of a tag, with all boxes inside it.
func (r *reader) closeBox(tag atom.Atom) {
	for i, b := range slices.Backward(r.boxes) {
		if b.tag != tag {
			// The end of an item does not close the list around it.
			if tag == atom.Li && b.tag != atom.Blockquote {
				return
			}
			continue
		}
		r.boxes = r.boxes[:i]
		breaks := 2
		if tag == atom.Li || tag != atom.Blockquote && r.inItem() {
			breaks = 1
		}
		r.blockBreak(breaks)
		r.prefix = b.prefix
		if r.led { // The box is empty.
			r.lead, r.led = b.lead, b.led
		}
		return
	}
}
