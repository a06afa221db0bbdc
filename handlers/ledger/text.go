package ledger

import (
	"strconv"
	"strings"
)

// MaxSeq is the highest number of an envelope in its room.
const MaxSeq = 10_000_000

const textPrefix = "seq="

// Text is the text of the envelope with this number in its room. More text may follow it,
// after a space.
func Text(seq int) string { return textPrefix + strconv.Itoa(seq) }

// ParseSeq reads the number from a text that begins with what Text returns.
func ParseSeq(text string) (seq int, ok bool) {
	digits, ok := strings.CutPrefix(text, textPrefix)
	if !ok {
		return 0, false
	}
	digits, _, _ = strings.Cut(digits, " ")
	seq, err := strconv.Atoi(digits)
	if err != nil || seq < 1 || seq > MaxSeq || Text(seq) != textPrefix+digits {
		return 0, false
	}
	return seq, true
}
