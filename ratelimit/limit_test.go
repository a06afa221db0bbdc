package ratelimit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/ratelimit"
)

func TestParseLimits(t *testing.T) {
	tests := map[string]struct {
		in   string
		want []ratelimit.Limit
		why  string
	}{
		"nothing is no limit":          {in: ""},
		"white space is no limit":      {in: " \t"},
		"one limit":                    {in: "50/1s", want: []ratelimit.Limit{{N: 50, Window: time.Second}}},
		"several are kept in order":    {in: " 1/1s  20/60s ", want: []ratelimit.Limit{{N: 1, Window: time.Second}, {N: 20, Window: time.Minute}}},
		"any unit of time is read":     {in: "3/1m30s", want: []ratelimit.Limit{{N: 3, Window: 90 * time.Second}}},
		"the shortest and the largest": {in: "100000/10ms", want: []ratelimit.Limit{{N: 100_000, Window: 10 * time.Millisecond}}},
		"a lone count":                 {in: "50", why: "want count/window"},
		"a count that is not a number": {in: "many/1s", why: `the count "many" is not an integer`},
		"a fraction of a send":         {in: "0.5/1s", why: `the count "0.5" is not an integer`},
		"a count of zero":              {in: "0/1s", why: "the count is 0, want 1 to 100000"},
		"a count beyond the largest":   {in: "100001/1s", why: "the count is 100001, want 1 to 100000"},
		"a window without a unit":      {in: "5/10", why: `the window "10" is not a duration`},
		"a second fault of a list":     {in: "5/1s 5/x", why: `limit "5/x"`},
		"a window too short":           {in: "5/9ms", why: "the window is 9ms, want at least 10ms"},
		"a window of part of a ms":     {in: "5/10500us", why: "the window is 10.5ms, want whole milliseconds"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ratelimit.ParseLimits(tc.in)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tc.why == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var parse *ratelimit.ParseError
			if !errors.As(err, &parse) || !strings.Contains(err.Error(), tc.why) {
				t.Errorf("error %v, want a *ParseError that says %q", err, tc.why)
			}
		})
	}
}

func TestLimitIsWrittenAsItIsRead(t *testing.T) {
	for _, s := range []string{"50/1s", "20/60s", "5/250ms", "1/1500ms"} {
		if got := limits(t, s)[0].String(); got != s {
			t.Errorf("got %q, want %q", got, s)
		}
	}
	if got := (ratelimit.Limit{N: 1, Window: 1500 * time.Microsecond}).String(); got != "1/1.5ms" {
		t.Errorf(`got %q, want "1/1.5ms" for a limit that cannot be read`, got)
	}
}
