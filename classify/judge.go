package classify

import (
	"errors"
	"slices"
	"time"
)

// scopes are those that a channel may name; any other is the bridge's.
var scopes = [...]Scope{ScopeBridge, ScopeRoute, ScopeRoom, ScopeRoomRoute}

// Classify judges err by the built-in rules, whatever it is wrapped in. No error
// gives the zero Verdict, with the empty Category.
//
// An error that nothing is known of is retryable, its reason is ReasonUnknown,
// and it is ambiguous: the attempt may have reached the provider.
func Classify(err error) Verdict { return Rules(nil).Classify(err) }

// Classify judges err as the function Classify does, save that the first rule
// that matches has the say on category, reason and delay.
//
// A rule does not undo what is not known: without an answer of the provider
// Ambiguous stays as the built-in rules have it. Nor does it undo a judgement: of a
// Judged error that is no *Error, its own Verdict counts.
func (rs Rules) Classify(err error) Verdict {
	if err == nil {
		return Verdict{}
	}
	if _, facts := errors.AsType[*Error](err); !facts {
		if judged, ok := errors.AsType[Judged](err); ok {
			return judged.Verdict()
		}
	}
	f := examine(err)
	category, reason := f.builtin()
	ambiguous := f.ambiguous(reason)
	var floor time.Duration
	if r, ok := rs.match(f); ok {
		category, floor = r.Category, r.After
		if r.Reason != "" {
			reason = r.Reason
			if f.e.Sent == SentRefused {
				ambiguous = f.ambiguous(reason)
			}
		}
	}
	v := Verdict{
		Category:  category,
		Reason:    reason,
		Ambiguous: ambiguous,
		Provider: Provider{
			Status:  f.e.Status,
			Code:    clean(f.e.Code, maxCode),
			Message: Clean(f.text),
		},
	}
	if v.Retryable() {
		v.After = max(min(f.e.RetryAfter, MaxRetryAfter), floor, 0)
	}
	named := slices.Contains(scopes[:], f.e.Scope)
	switch {
	case named && (v.After > 0 || v.Retryable() && reason == ReasonRateLimited):
		v.Scope = f.e.Scope
	case v.After > 0:
		v.Scope = ScopeBridge
	}
	return v
}

// failure is an error laid out for the rules.
type failure struct {
	e Error
	// text is what Rule.Contains looks into, as raw as it came.
	text  string
	table Table
}

// examine finds the facts in err. An error of no channel has only a cause.
func examine(err error) failure {
	e := Error{Err: err}
	if known, ok := errors.AsType[*Error](err); ok && known != nil {
		e = *known
	}
	// A status or a code is an answer, even where the channel did not say so.
	if e.Sent == SentUnknown && (statusReason(e.Status) != "" || e.Code != "") {
		e.Sent = SentRefused
	}
	f := failure{e: e, text: e.text()}
	if e.Table != nil {
		f.table = *e.Table
	}
	return f
}

// builtin is the judgement of the built-in rules.
func (f failure) builtin() (Category, Reason) {
	if f.e.Reason.Known() {
		return f.e.Reason.Category(), f.e.Reason
	}
	if r, ok := f.table.Rules.match(f); ok {
		return r.Category, r.Reason
	}
	if r, ok := httpRules.match(f); ok {
		return r.Category, r.Reason
	}
	reason := statusReason(f.e.Status)
	if reason == "" {
		reason = cause(f.e.Err)
	}
	return reason.Category(), reason
}

// ambiguous is true where the provider may have the message, given the reason of
// the failure.
func (f failure) ambiguous(r Reason) bool {
	switch traits[r].doubt {
	case doubtNone:
		return false
	case doubtAlways:
		return true
	case doubtSent:
	}
	if f.e.Sent != SentRefused {
		return f.e.Sent == SentUnknown
	}
	// A server that answers with its own failure may have failed after the
	// message went out.
	return !f.table.Dedupes && (f.e.Status/100 == 5 || r == ReasonProviderError)
}
