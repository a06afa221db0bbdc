package bench

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the result as a table: a line for each figure, with its unit.
func (r *Result) WriteTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString(r.Settings.String() + "\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	section := ""
	for _, l := range Legends() {
		v, ok := r.Figures[l.Key]
		if !ok {
			continue
		}
		if l.Measurement != section {
			section = l.Measurement
			_, _ = fmt.Fprintf(t, "\n")
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t  %s\n", l.Key, format(v, l.Unit), l.Unit, l.Text)
	}
	_, _ = fmt.Fprintf(t, "\n")
	for _, c := range r.Faults.counts() {
		_, _ = fmt.Fprintf(t, "%s\t%d\t\t  %s\n", c.key, c.n, c.text)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String returns the settings in one line.
func (s Settings) String() string {
	where := fmt.Sprintf("%s Redis %s", s.Redis, s.RedisVersion)
	if s.Redis == Embedded {
		where = "embedded Redis (miniredis): the figures say nothing about Redis"
	}
	return fmt.Sprintf("%d messages, %d rooms, %d partitions of %d at once, medians of %d; %s, %s, %d CPUs",
		s.Messages, s.Rooms, s.Partitions, s.Concurrency, s.Runs, where, s.Go, s.CPUs)
}

// format writes a value with its significant digits.
func format(v float64, unit string) string {
	switch unit {
	case perSecond, bytes:
		return fmt.Sprintf("%.0f", v)
	case micro, percent:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
