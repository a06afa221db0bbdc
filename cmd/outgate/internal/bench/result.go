package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"strings"

	"github.com/outgate/outgate/handlers/ledger"
)

// Figures are the measured values, by the keys of the Legends.
type Figures map[string]float64

// Faults count the broken promises in the record. All but Checked must be zero.
type Faults struct {
	// Checked is the number of envelopes that were checked.
	Checked int `json:"ledger_checked"`
	// OrderViolations are deliveries out of the order of their room; Overlaps are those
	// that began while another delivery of their room was in flight.
	OrderViolations int `json:"order_violations"`
	Overlaps        int `json:"overlaps"`
	// Lost are envelopes that were never delivered; Duplicates were delivered more than
	// once; Unexpected were delivered and never admitted.
	Lost       int `json:"lost"`
	Duplicates int `json:"duplicates"`
	Unexpected int `json:"unexpected"`
	// PaceViolations are limits that were exceeded.
	PaceViolations int `json:"pace_violations"`
}

// add adds the faults of a report.
func (f *Faults) add(r ledger.Report) {
	f.Checked += r.Delivered + len(r.Lost)
	f.OrderViolations += len(r.OrderViolations)
	f.Overlaps += len(r.Overlaps)
	f.Lost += len(r.Lost)
	f.Duplicates += len(r.Duplicates)
	f.Unexpected += len(r.Unexpected)
	for _, p := range r.Peaks {
		if p.Exceeded() {
			f.PaceViolations++
		}
	}
}

// missing adds n envelopes that are neither delivered nor waiting. If n is negative, -n
// envelopes are both, and would be delivered again.
func (f *Faults) missing(n int) {
	f.Lost += max(0, n)
	f.Duplicates += max(0, -n)
}

// Settings are the conditions of the measurement.
type Settings struct {
	Messages     int    `json:"messages"`
	Rooms        int    `json:"rooms"`
	Partitions   int    `json:"partitions"`
	Concurrency  int    `json:"concurrency"`
	Runs         int    `json:"runs"`
	Redis        Kind   `json:"redis"`
	RedisVersion string `json:"redis_version"`
	Go           string `json:"go"`
	CPUs         int    `json:"cpus"`
}

// Result is the result of a benchmark.
type Result struct {
	Settings Settings
	// Figures are the medians of the runs. A figure that could not be measured is absent.
	Figures Figures
	Faults  Faults
}

func newResult(s *Store, o Options) *Result {
	return &Result{
		Settings: Settings{
			Messages: o.Messages, Rooms: o.Rooms, Partitions: o.Partitions, Concurrency: o.Concurrency, Runs: o.Runs,
			Redis: s.Kind, RedisVersion: s.Version, Go: runtime.Version(), CPUs: runtime.NumCPU(),
		},
		Figures: make(Figures),
	}
}

// promised are the figures that the JSON always has; null if not measured.
var promised = []string{
	"delivered_per_s", "asynq_processed_per_s", "delivered_ratio", "enqueue_ratio", "batch_ratio", "idle_p50_ms", "idle_p99_ms",
}

// MarshalJSON writes one object with all figures and faults, and the settings.
func (r *Result) MarshalJSON() ([]byte, error) {
	out := map[string]any{"settings": r.Settings}
	for _, key := range promised {
		out[key] = nil
	}
	for key, v := range r.Figures {
		out[key] = round(v)
	}
	for _, c := range r.Faults.counts() {
		out[c.key] = c.n
	}
	return json.Marshal(out)
}

// round keeps four significant digits; more would look more exact than they are.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	unit := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*unit) / unit
}

type count struct {
	key, text string
	n         int
}

func (f Faults) counts() []count {
	return []count{
		{"ledger_checked", "envelopes checked in the record", f.Checked},
		{"order_violations", "deliveries out of their room's order", f.OrderViolations},
		{"overlaps", "deliveries while another of their room was in flight", f.Overlaps},
		{"lost", "envelopes never delivered", f.Lost},
		{"duplicates", "envelopes delivered more than once", f.Duplicates},
		{"unexpected", "deliveries of envelopes that were not admitted", f.Unexpected},
		{"pace_violations", "limits exceeded", f.PaceViolations},
	}
}

// BrokenError says that the record breaks the promises.
type BrokenError struct{ Faults Faults }

// Error lists the faults.
func (e *BrokenError) Error() string {
	var found []string
	for _, c := range e.Faults.counts()[1:] {
		if c.n > 0 {
			found = append(found, fmt.Sprintf("%s %d", c.key, c.n))
		}
	}
	return "the record breaks its promises: " + strings.Join(found, ", ")
}

// Err is nil if every promise was kept; else it is a *BrokenError.
func (r *Result) Err() error {
	clean := r.Faults
	clean.Checked = 0
	if clean == (Faults{}) {
		return nil
	}
	return &BrokenError{r.Faults}
}
