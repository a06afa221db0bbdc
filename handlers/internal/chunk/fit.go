package chunk

import (
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/outgate/outgate/tasks"
)

// fitter takes pieces from a text, each as long as the limit allows.
type fitter struct {
	*layout
	limit  tasks.Length
	format tasks.Format
	// start is where the piece begins, first is the index of the first boundary behind
	// start, and seen is the place of the first visible character.
	start, first, seen int
	// bare is true if open markup is not repeated, because it would take too much room.
	bare bool
	// guess is roughly the number of bytes that fit.
	guess int
}

func (f *fitter) pieces() []string {
	var pieces []string
	for f.start < len(f.text) {
		for f.cuts[f.first].end <= f.start {
			f.first++
		}
		if f.seen <= f.start {
			f.seen = f.ink(f.start)
		}
		f.bare = f.crowded()
		b := f.next()
		if b.end > f.seen {
			pieces = append(pieces, f.piece(b.end))
			f.guess = b.end - f.start
		}
		f.start = b.next
	}
	return pieces
}

// piece is the text from start to a place, with the markup that is open closed.
func (f *fitter) piece(end int) string {
	body := f.text[f.start:end]
	if f.bare {
		return body
	}
	from, to := f.at(f.start), f.at(end)
	if from == nil && to == nil {
		return body
	}
	var prefix, suffix []string
	for fr := from; fr != nil; fr = fr.parent {
		prefix = append(prefix, fr.open)
	}
	var b strings.Builder
	for i := range prefix {
		b.WriteString(prefix[len(prefix)-1-i])
	}
	b.WriteString(body)
	for fr := to; fr != nil; fr = fr.parent {
		suffix = append(suffix, fr.close)
	}
	for _, s := range suffix {
		if strings.HasSuffix(body, "\n") {
			s = strings.TrimPrefix(s, "\n")
		}
		b.WriteString(s)
	}
	return b.String()
}

// crowded is true if the markup that is open at the start would take most of the piece.
func (f *fitter) crowded() bool {
	fr := f.at(f.start)
	if fr == nil {
		return false
	}
	if fr.size > 64*f.limit.Max {
		return true
	}
	open := fitter{layout: f.layout, start: f.start}
	return f.limit.Measure(open.piece(f.start), f.format) > f.limit.Max/4*3
}

func (f *fitter) fits(end int) bool { return f.limit.Fits(f.piece(end), f.format) }

// next is the boundary at which the piece ends.
func (f *fitter) next() boundary {
	last := f.search(len(f.cuts)-f.first, func(i int) int { return f.cuts[f.first+i].end }) + f.first
	if last == len(f.cuts)-1 {
		return f.cuts[last]
	}
	for known := last; last >= f.first; {
		best := f.best(last)
		if best == known || f.fits(f.cuts[best].end) {
			return f.cuts[best]
		}
		last = best - 1 // A piece may count more than a longer one that closes its fence.
	}
	return f.fine()
}

// search is the last of n places at which the piece may end, -1 if there is none. It asks
// the limit as seldom as possible, because the limit may have to render the piece.
func (f *fitter) search(n int, place func(int) int) int {
	low, high := -1, n
	reach := max(f.guess, 1)
	for low+1 < high {
		probe := (low + high) / 2
		if high == n {
			probe = low + sort.Search(n-low-1, func(i int) bool { return place(low+1+i) > f.start+reach })
			probe = min(max(probe, low+1), n-1)
			reach *= 2
		}
		if !f.far(place(probe)) && f.fits(place(probe)) {
			low = probe
		} else {
			high = probe
		}
	}
	return low
}

// far is true if a place is much farther than a piece is long and a nearer place is
// already too far. It avoids measuring the whole rest of a text.
func (f *fitter) far(place int) bool {
	for reach := 4 * max(f.guess, 1); reach < place-f.start; reach *= 4 {
		at := f.start + reach
		for at > f.start && !utf8.RuneStart(f.text[at]) {
			at--
		}
		if !f.fits(at) {
			return true
		}
	}
	return false
}

// best is the best boundary up to the last that fits, in the second half of the piece or
// else anywhere.
func (f *fitter) best(last int) int {
	half := f.start + (f.cuts[last].end-f.start)/2
	best := -1
	for i := last; i >= f.first; i-- {
		if f.cuts[i].end < half && best >= 0 && f.cuts[best].level > inSpan {
			break
		}
		if f.cuts[i].end <= f.seen {
			break
		}
		if best < 0 || f.cuts[i].level > f.cuts[best].level {
			best = i
		}
	}
	if best < 0 {
		return last
	}
	return best
}

// fine is an end between grapheme clusters, or inside a cluster that is too long.
func (f *fitter) fine() boundary {
	end := f.cuts[f.first].end
	for {
		places := f.places(end, true)
		if i := f.search(len(places), func(i int) int { return places[i] }); i >= 0 {
			return boundary{end: places[i], next: places[i]}
		}
		if f.bare {
			break
		}
		f.bare = true
		if !f.far(end) && f.fits(end) {
			return f.cuts[f.first]
		}
	}
	if places := f.places(end, false); len(places) > 0 {
		i := max(f.search(len(places), func(i int) int { return places[i] }), 0)
		return boundary{end: places[i], next: places[i]}
	}
	return f.cuts[f.first]
}

// places are the places before end where a piece may end: between clusters if whole is
// true, else between code points. It stops when the piece no longer fits.
func (f *fitter) places(end int, whole bool) []int {
	var places []int
	for i, runes := f.start, 1; i < end; runes++ {
		_, n := utf8.DecodeRuneInString(f.text[i:])
		if i += n; i < end && (!whole || !f.split.has(i)) {
			places = append(places, i)
		}
		if runes >= 16 && runes&(runes-1) == 0 && !f.fits(i) {
			break
		}
	}
	return places
}
