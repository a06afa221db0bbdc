package partition

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// MaxCount is the largest number of partitions.
const MaxCount = 256

// WithDefaults fills in the zero fields from DefaultScheme.
func (s Scheme) WithDefaults() Scheme {
	d := DefaultScheme()
	if s.Count == 0 {
		s.Count = d.Count
	}
	if s.Namespace == "" {
		s.Namespace = d.Namespace
	}
	if s.Hash == "" {
		s.Hash = d.Hash
	}
	if s.HashKey == "" {
		s.HashKey = d.HashKey
	}
	return s
}

var namespaceForm = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Validate finds all faults of a scheme.
func (s Scheme) Validate() error {
	var faults []error
	if s.Count < 1 || s.Count > MaxCount {
		faults = append(faults, fmt.Errorf("count is %d, want 1 to %d", s.Count, MaxCount))
	}
	if !namespaceForm.MatchString(s.Namespace) {
		faults = append(faults, fmt.Errorf("namespace is %q, want 1 to 32 of a-z, 0-9 and -", s.Namespace))
	}
	if s.Hash != SHA1 && s.Hash != FNV1a {
		faults = append(faults, fmt.Errorf("hash is %q, want %q or %q", s.Hash, SHA1, FNV1a))
	}
	if s.HashKey != ByRoom && s.HashKey != ByBridge && s.HashKey != ByThread {
		faults = append(faults, fmt.Errorf("hash key is %q, want %q, %q or %q", s.HashKey, ByRoom, ByBridge, ByThread))
	}
	return errors.Join(faults...)
}

// DefaultPressure is the pressure of a configuration that says nothing.
func DefaultPressure() Pressure {
	return Pressure{Warn: 0.70, Degraded: 0.85, Shed: 0.95, Throttle: 5 * time.Millisecond, ShedPriorities: []string{"low"}}
}

// WithDefaults is DefaultPressure for a zero value; else zero levels are those of
// DefaultPressure.
func (p Pressure) WithDefaults() Pressure {
	d := DefaultPressure()
	if p.Warn == 0 && p.Degraded == 0 && p.Shed == 0 && p.Throttle == 0 && p.ShedPriorities == nil {
		return d
	}
	if p.Warn == 0 {
		p.Warn = d.Warn
	}
	if p.Degraded == 0 {
		p.Degraded = d.Degraded
	}
	if p.Shed == 0 {
		p.Shed = d.Shed
	}
	return p
}

// Validate finds all faults of a pressure.
func (p Pressure) Validate() error {
	var faults []error
	if p.Warn <= 0 || p.Warn >= p.Degraded || p.Degraded >= p.Shed || p.Shed > 1 {
		faults = append(faults, fmt.Errorf("levels are %v, %v and %v, want them above 0, at most 1, and rising", p.Warn, p.Degraded, p.Shed))
	}
	if p.Throttle < 0 {
		faults = append(faults, fmt.Errorf("throttle is %s, want at least 0", p.Throttle))
	}
	return errors.Join(faults...)
}
