package classify

import (
	"strconv"
	"strings"
	"time"
)

// MaxRetryAfter is the longest delay that is taken from a provider.
const MaxRetryAfter = 24 * time.Hour

// ParseRetryAfter reads a Retry-After header: seconds, whole or decimal, or a
// date. It is false if header is neither. The past is 0, and more than
// MaxRetryAfter is MaxRetryAfter; no other delay comes out shorter than asked.
func ParseRetryAfter(header string, now time.Time) (time.Duration, bool) {
	header = strings.TrimSpace(header)
	d, ok := parseSeconds(header)
	if !ok {
		var t time.Time
		if t, ok = parseDate(header); ok {
			d = t.Sub(now)
		}
	}
	return min(max(d, 0), MaxRetryAfter), ok
}

// parseSeconds reads decimal digits exactly; a float would lose some of them.
func parseSeconds(s string) (time.Duration, bool) {
	digits := strings.TrimLeft(s, "+-")
	whole, frac, _ := strings.Cut(digits, ".")
	if len(s)-len(digits) > 1 || whole+frac == "" || strings.Trim(whole+frac, "0123456789") != "" {
		return 0, false
	}
	if s[0] == '-' {
		return 0, true
	}
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > len("86400") {
		return MaxRetryAfter, true
	}
	seconds, _ := strconv.ParseInt("0"+whole, 10, 64)
	nanos, _ := strconv.ParseInt((frac + "000000000")[:9], 10, 64)
	if len(frac) > 9 && strings.Trim(frac[9:], "0") != "" {
		nanos++
	}
	return time.Duration(seconds)*time.Second + time.Duration(nanos), true
}

// dateLayouts are HTTP's three, and what servers make of them, all without the
// weekday: it adds nothing and is left out or wrong at times.
var dateLayouts = []string{
	"2 Jan 2006 15:04:05 -0700",
	"2 Jan 2006 15:04:05 MST",
	"2 Jan 2006 15:04:05",
	"2-Jan-06 15:04:05 MST",
	"2-Jan-2006 15:04:05 MST",
	"Jan _2 15:04:05 2006",
	time.RFC3339,
}

// parseDate reads a date. One in a zone with a name other than UTC's is refused:
// package time takes it for UTC, so it could come out hours too early.
func parseDate(s string) (time.Time, bool) {
	s = trimWeekday(s)
	for _, layout := range dateLayouts {
		t, err := time.ParseInLocation(layout, s, time.UTC)
		if err != nil {
			continue
		}
		zone, _ := t.Zone()
		return t, zone == "UTC" || zone == "GMT" || zone == "" // "" is an offset
	}
	return time.Time{}, false
}

// trimWeekday cuts "Mon, ", "Monday, " and "Mon " off the front.
func trimWeekday(s string) string {
	for day := time.Sunday; day <= time.Saturday; day++ {
		for _, name := range []string{day.String(), day.String()[:3]} {
			if rest, ok := strings.CutPrefix(s, name); ok {
				return strings.TrimLeft(rest, ", ")
			}
		}
	}
	return s
}
