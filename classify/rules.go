package classify

import (
	"fmt"
	"strings"
	"time"
)

// Rule judges the failures that meet all its conditions. Status, Code and
// Contains are the conditions; at least one is given.
type Rule struct {
	// Status is the HTTP status, 0 for any.
	Status int
	// Code is the provider's error code, exactly; empty for any.
	Code string
	// Contains is a part of the provider's message, or without one of the error's
	// text, in upper or lower case; empty for any.
	Contains string
	// Category is the judgement. It is required.
	Category Category
	// Reason is why; empty leaves the reason of the built-in rules.
	Reason Reason
	// After is the least delay before the next attempt, during which the bridge is
	// closed; a longer one asked for by the provider holds. Only for Retryable.
	After time.Duration
	// Note says in documentation what the condition means, "unknown channel" for
	// instance. Nothing depends on it.
	Note string `yaml:"-"`
}

// Rules are tried in order; the first that matches decides.
type Rules []Rule

// RuleError says what is wrong with a rule.
type RuleError struct {
	// Field is the field's name in a configuration, "category" for instance.
	Field string
	// Why is what is wrong with it.
	Why string
}

// Error is the field and what is wrong with it.
func (e *RuleError) Error() string { return e.Field + ": " + e.Why }

// Validate is nil for a rule that can be used, and a *RuleError otherwise.
func (r Rule) Validate() error {
	fault := func(field, format string, args ...any) error {
		return &RuleError{Field: field, Why: fmt.Sprintf(format, args...)}
	}
	switch {
	case r.Status == 0 && r.Code == "" && r.Contains == "":
		return fault("status", "a rule needs a condition: status, code or contains")
	case r.Status != 0 && (r.Status < 100 || r.Status > 599):
		return fault("status", "%d is no HTTP status", r.Status)
	case r.Contains != "" && strings.TrimSpace(r.Contains) == "":
		return fault("contains", "a blank text is in almost every message")
	case r.Category != Retryable && r.Category != Terminal && r.Category != Fatal:
		return fault("category", "%q is none of retryable, terminal, fatal", r.Category)
	case r.Reason != "" && !r.Reason.Known():
		return fault("reason", "%q is not a known reason", r.Reason)
	case r.After < 0 || r.After > MaxRetryAfter:
		return fault("after", "%s is not between 0 and %s", r.After, MaxRetryAfter)
	case r.After > 0 && r.Category != Retryable:
		return fault("after", "what is %s is not tried again", r.Category)
	}
	return nil
}

// matches is true if all given conditions hold.
func (r Rule) matches(f failure) bool {
	return (r.Status == 0 || r.Status == f.e.Status) &&
		(r.Code == "" || r.Code == f.e.Code) &&
		(r.Contains == "" || strings.Contains(strings.ToLower(f.text), strings.ToLower(r.Contains)))
}

// match finds the first rule that matches.
func (rs Rules) match(f failure) (Rule, bool) {
	for _, r := range rs {
		if r.matches(f) {
			return r, true
		}
	}
	return Rule{}, false
}

// Table is what is known of one channel. The channel puts it into each of its errors
// (Error.Table); an error without one is judged by the rules of HTTP alone.
type Table struct {
	// Rules say what the provider's errors mean. They come before those of HTTP.
	Rules Rules
	// Dedupes is true if the provider drops a second request with the same token:
	// after its own 5xx, trying again cannot make a double.
	Dedupes bool
}
