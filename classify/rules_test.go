package classify_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
)

func TestRulesComeBeforeTheBuiltInOnes(t *testing.T) {
	answer := func(channel string, r classify.Reply) *classify.Error {
		e := &classify.Error{Channel: channel, Sent: classify.SentRefused, Reply: r}
		if channel == "webhook" {
			e.Table = receivers
		}
		return e
	}
	verdict := func(c classify.Category, r classify.Reason, p classify.Provider) classify.Verdict {
		return classify.Verdict{Category: c, Reason: r, Provider: p}
	}
	doubt := func(v classify.Verdict) classify.Verdict {
		v.Ambiguous = true
		return v
	}
	wait := func(v classify.Verdict, d time.Duration) classify.Verdict {
		v.After, v.Scope = d, classify.ScopeBridge
		return v
	}
	const (
		retryable = classify.Retryable
		terminal  = classify.Terminal
	)
	tests := map[string]struct {
		rule classify.Rule
		err  error
		want classify.Verdict
	}{
		"no error needs no rule": {
			classify.Rule{Contains: "", Category: terminal}, nil, classify.Verdict{},
		},
		"a category alone leaves the reason": {
			classify.Rule{Status: 404, Category: retryable},
			answer("webhook", classify.Reply{Status: 404}),
			verdict(retryable, classify.ReasonNotFound, classify.Provider{Status: 404}),
		},
		"a reason replaces the built-in one": {
			classify.Rule{Status: 400, Code: "busy", Contains: "QUOTA", Category: retryable, Reason: classify.ReasonRateLimited},
			answer("webhook", classify.Reply{Status: 400, Code: "busy", Message: "the quota is used up"}),
			verdict(retryable, classify.ReasonRateLimited, classify.Provider{Status: 400, Code: "busy", Message: "the quota is used up"}),
		},
		"another status does not match": {
			classify.Rule{Status: 404, Contains: "x", Category: retryable},
			answer("webhook", classify.Reply{Status: 400, Message: "x"}),
			verdict(terminal, classify.ReasonRejected, classify.Provider{Status: 400, Message: "x"}),
		},
		"another code does not match": {
			classify.Rule{Status: 400, Code: "Busy", Category: retryable},
			answer("webhook", classify.Reply{Status: 400, Code: "busy"}),
			verdict(terminal, classify.ReasonRejected, classify.Provider{Status: 400, Code: "busy"}),
		},
		"another text does not match": {
			classify.Rule{Status: 400, Contains: "quota", Category: retryable},
			answer("webhook", classify.Reply{Status: 400, Message: "no"}),
			verdict(terminal, classify.ReasonRejected, classify.Provider{Status: 400, Message: "no"}),
		},
		"a rule's delay is a floor": {
			classify.Rule{Status: 503, Category: retryable, After: 10 * time.Second},
			answer("webhook", classify.Reply{Status: 503, RetryAfter: time.Second}),
			wait(verdict(retryable, classify.ReasonUnavailable, classify.Provider{Status: 503}), 10*time.Second),
		},
		"a longer delay of the provider holds": {
			classify.Rule{Status: 503, Category: retryable, After: 10 * time.Second},
			answer("webhook", classify.Reply{Status: 503, RetryAfter: time.Minute}),
			wait(verdict(retryable, classify.ReasonUnavailable, classify.Provider{Status: 503}), time.Minute),
		},
		"what a rule calls final is not waited for": {
			classify.Rule{Status: 429, Category: terminal},
			answer("webhook", classify.Reply{Status: 429, RetryAfter: time.Minute}),
			verdict(terminal, classify.ReasonRateLimited, classify.Provider{Status: 429}),
		},
		"a 5xx stays in doubt if only its category changes": {
			classify.Rule{Status: 500, Category: terminal},
			answer("other", classify.Reply{Status: 500}),
			doubt(verdict(terminal, classify.ReasonProviderError, classify.Provider{Status: 500})),
		},
		"an answer that a rule calls a rejection is no doubt": {
			classify.Rule{Status: 500, Category: terminal, Reason: classify.ReasonRejected},
			answer("other", classify.Reply{Status: 500}),
			verdict(terminal, classify.ReasonRejected, classify.Provider{Status: 500}),
		},
		"no rule knows what became of a request without answer": {
			classify.Rule{Contains: "eof", Category: retryable, Reason: classify.ReasonRateLimited},
			&classify.Error{Channel: "webhook", Table: receivers, Err: io.EOF},
			doubt(verdict(retryable, classify.ReasonRateLimited, classify.Provider{Message: "EOF"})),
		},
		"an error of no channel is matched by its text": {
			classify.Rule{Contains: "Disk Full", Category: terminal},
			errors.New("write: disk full"),
			doubt(verdict(terminal, classify.ReasonUnknown, classify.Provider{Message: "write: disk full"})),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			rules := classify.Rules{tc.rule, {Contains: "", Status: 999, Category: classify.Fatal}}
			if diff := cmp.Diff(tc.want, rules.Classify(tc.err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	rules := classify.Rules{
		{Status: 404, Code: "other", Category: classify.Terminal},
		{Status: 404, Category: classify.Fatal},
		{Status: 404, Category: classify.Retryable},
	}
	if got := rules.Classify(webhook(404)).Category; got != classify.Fatal {
		t.Errorf("got %s, want fatal", got)
	}
}

func TestRuleValidate(t *testing.T) {
	tests := map[string]struct {
		rule  classify.Rule
		field string // empty for a good rule
	}{
		"a status will do":               {classify.Rule{Status: 404, Category: classify.Retryable}, ""},
		"a code will do":                 {classify.Rule{Code: "busy", Category: classify.Terminal}, ""},
		"a text will do":                 {classify.Rule{Contains: "quota", Category: classify.Fatal}, ""},
		"a reason and a delay are fine":  {classify.Rule{Status: 503, Category: classify.Retryable, Reason: classify.ReasonRateLimited, After: time.Hour}, ""},
		"a condition is needed":          {classify.Rule{Category: classify.Terminal}, "status"},
		"a status has three digits":      {classify.Rule{Status: 42, Category: classify.Terminal}, "status"},
		"a status has no more than 599":  {classify.Rule{Status: 600, Category: classify.Terminal}, "status"},
		"a status is not negative":       {classify.Rule{Status: -404, Category: classify.Terminal}, "status"},
		"a blank text matches too much":  {classify.Rule{Contains: " ", Category: classify.Terminal}, "contains"},
		"a category is needed":           {classify.Rule{Status: 404}, "category"},
		"a category is one of three":     {classify.Rule{Status: 404, Category: "odd"}, "category"},
		"a reason is a known one":        {classify.Rule{Status: 404, Category: classify.Terminal, Reason: "odd"}, "reason"},
		"a delay is not negative":        {classify.Rule{Status: 503, Category: classify.Retryable, After: -1}, "after"},
		"a delay is a day at most":       {classify.Rule{Status: 503, Category: classify.Retryable, After: 25 * time.Hour}, "after"},
		"a delay needs another attempt":  {classify.Rule{Status: 503, Category: classify.Terminal, After: 1}, "after"},
		"a delay of a day is not absurd": {classify.Rule{Status: 503, Category: classify.Retryable, After: 24 * time.Hour}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := tc.rule.Validate()
			if tc.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			fault, ok := errors.AsType[*classify.RuleError](err)
			if !ok || fault.Field != tc.field {
				t.Fatalf("got %v, want a fault of %s", err, tc.field)
			}
			if want := fault.Field + ": " + fault.Why; fault.Why == "" || err.Error() != want {
				t.Errorf("got %q, want %q", err, want)
			}
		})
	}
}
