package classify_test

import (
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
)

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) // a Friday
	const (
		day     = 24 * time.Hour
		garbage = time.Duration(-1)
	)
	tests := map[string]struct {
		header string
		want   time.Duration
	}{
		"whole seconds":                             {"120", 2 * time.Minute},
		"seconds with spaces around":                {" 7\t", 7 * time.Second},
		"seconds with leading zeros":                {"0000000007", 7 * time.Second},
		"a plus sign":                               {"+5", 5 * time.Second},
		"no seconds":                                {"0", 0},
		"negative seconds are no delay":             {"-30", 0},
		"a negative fraction is no delay":           {"-0.5", 0},
		"decimals are exact":                        {"1.1", 1100 * time.Millisecond},
		"a fraction without a zero":                 {".25", 250 * time.Millisecond},
		"a point without a fraction":                {"5.", 5 * time.Second},
		"less than a nanosecond is rounded up":      {"0.0000000001", 1},
		"more digits than nanoseconds, all zero":    {"0.3000000000000", 300 * time.Millisecond},
		"a day":                                     {"86400", day},
		"more than a day is a day":                  {"86401", day},
		"more digits than any integer is a day":     {"99999999999999999999999999", day},
		"the date of HTTP":                          {"Fri, 02 Jan 2026 03:05:05 GMT", time.Minute},
		"a date in UTC":                             {"Fri, 02 Jan 2026 03:05:05 UTC", time.Minute},
		"a date with an offset":                     {"Fri, 02 Jan 2026 05:05:05 +0200", time.Minute},
		"a date with an offset of zero":             {"Fri, 02 Jan 2026 03:05:05 +0000", time.Minute},
		"a zone that Go does not compute":           {"Fri, 02 Jan 2026 05:05:05 GMT+2", garbage},
		"the old date of RFC 850":                   {"Friday, 02-Jan-26 03:05:05 GMT", time.Minute},
		"the date of cookies":                       {"Fri, 02-Jan-2026 03:05:05 GMT", time.Minute},
		"the date of C":                             {"Fri Jan  2 03:05:05 2026", time.Minute},
		"the date of C without a weekday":           {"Jan  2 03:05:05 2026", time.Minute},
		"a date without a weekday":                  {"02 Jan 2026 03:05:05 GMT", time.Minute},
		"a date with a short day":                   {"2 Jan 2026 03:05:05 GMT", time.Minute},
		"a date with the wrong weekday":             {"Mon, 02 Jan 2026 03:05:05 GMT", time.Minute},
		"a date without a zone":                     {"Fri, 02 Jan 2026 03:05:05", time.Minute},
		"a date of RFC 3339":                        {"2026-01-02T03:05:05Z", time.Minute},
		"a date of RFC 3339 with offset, fraction":  {"2026-01-02T05:05:05.5+02:00", time.Minute + 500*time.Millisecond},
		"a date in the past is no delay":            {"Fri, 02 Jan 2026 03:04:04 GMT", 0},
		"a date of now is no delay":                 {"Fri, 02 Jan 2026 03:04:05 GMT", 0},
		"a date of the last century is no delay":    {"Sunday, 06-Nov-94 08:49:37 GMT", 0},
		"a date far off is a day":                   {"Fri, 31 Dec 9999 23:59:59 GMT", day},
		"nothing":                                   {"", garbage},
		"blanks":                                    {"  ", garbage},
		"a sign alone":                              {"-", garbage},
		"two signs":                                 {"--5", garbage},
		"a point alone":                             {".", garbage},
		"two points":                                {"1.2.3", garbage},
		"an exponent":                               {"1e3", garbage},
		"not a number":                              {"NaN", garbage},
		"infinity":                                  {"Inf", garbage},
		"a unit":                                    {"30s", garbage},
		"digits of another script":                  {"٣٠", garbage},
		"a word":                                    {"soon", garbage},
		"a weekday alone":                           {"Fri", garbage},
		"a date that does not exist":                {"Fri, 31 Feb 2026 03:05:05 GMT", garbage},
		"a zone whose offset the name does not say": {"Thu, 01 Jan 2026 19:05:05 PST", garbage},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := classify.ParseRetryAfter(tc.header, now)
			want, wantOK := tc.want, true
			if tc.want == garbage {
				want, wantOK = 0, false
			}
			if got != want || ok != wantOK {
				t.Errorf("got %s, %t, want %s, %t", got, ok, want, wantOK)
			}
		})
	}
}
