package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Fault is one thing wrong with a configuration, and where.
type Fault struct {
	// File is the file, or the flag or variable that overrides it; that has no Line
	// and no Column.
	File         string
	Line, Column int
	// Path is the key, "delivery.max_attempts" for instance; empty if the file is
	// no YAML.
	Path string
	Why  string
}

// Error is file:line:column: path: why.
func (f Fault) Error() string {
	where := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Line == 0 {
		where = f.File + ": "
	}
	if f.Path != "" {
		where += f.Path + ": "
	}
	return where + f.Why
}

// Join joins the faults in the order of the file, nil for none.
func Join(faults []Fault) error {
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = f
	}
	return errors.Join(errs...)
}

// Faults are the faults of a configuration, if that is what the error is.
func Faults(err error) []Fault {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return nil
	}
	var faults []Fault
	for _, err := range joined.Unwrap() {
		if fault, ok := errors.AsType[Fault](err); ok {
			faults = append(faults, fault)
		}
	}
	return faults
}
