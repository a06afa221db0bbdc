package classify_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/outgate/outgate/classify"
)

func ExampleClassify() {
	err := fmt.Errorf("deliver: %w", &classify.Error{
		Channel: "webhook",
		Op:      "post",
		Sent:    classify.SentRefused,
		Reply:   classify.Reply{Status: 429, Message: "slow down", RetryAfter: 30 * time.Second},
	})
	fmt.Println(err)

	v := classify.Classify(err)
	fmt.Println(v.Category, v.Reason, v.After, v.Scope)
	fmt.Println(v.Category.Disposition(), "spends an attempt:", v.SpendsAttempt())
	// Output:
	// deliver: webhook post: status 429: slow down
	// retryable rate_limited 30s bridge
	// retry spends an attempt: false
}

func ExampleClassify_unknown() {
	v := classify.Classify(errors.New("what was that"))
	fmt.Println(v.Category, v.Reason, "ambiguous:", v.Ambiguous)
	// Output:
	// retryable unknown ambiguous: true
}

func ExampleRules_Classify() {
	// This receiver answers 404 while it is being deployed.
	rules := classify.Rules{
		{Status: 404, Contains: "no upstream", Category: classify.Retryable, Reason: classify.ReasonUnavailable, After: 5 * time.Second},
	}
	err := &classify.Error{
		Channel: "webhook", Sent: classify.SentRefused,
		Reply: classify.Reply{Status: 404, Message: "No upstream for this host"},
	}
	for _, v := range []classify.Verdict{classify.Classify(err), rules.Classify(err)} {
		fmt.Println(v.Category, v.Reason, v.After)
	}
	// Output:
	// terminal not_found 0s
	// retryable provider_unavailable 5s
}

func ExampleRule_Validate() {
	fmt.Println(classify.Rule{Status: 404, Category: "later"}.Validate())
	// Output:
	// category: "later" is none of retryable, terminal, fatal
}

func ExampleBackoff_Delay() {
	b := classify.Backoff{Base: 500 * time.Millisecond, Max: 30 * time.Second}
	for attempt := 1; attempt <= 4; attempt++ {
		fmt.Println(b.Delay("007-000000000000001f", attempt, 0).Round(time.Millisecond))
	}
	fmt.Println("told to wait:", b.Delay("007-000000000000001f", 1, time.Minute))
	// Output:
	// 423ms
	// 991ms
	// 1.668s
	// 4.731s
	// told to wait: 1m0s
}

func ExampleParseRetryAfter() {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, header := range []string{"1.5", "Fri, 02 Jan 2026 03:05:05 GMT", "soon"} {
		fmt.Println(classify.ParseRetryAfter(header, now))
	}
	// Output:
	// 1.5s true
	// 1m0s true
	// 0s false
}

func ExampleClean() {
	fmt.Println(classify.Clean("GET https://bob:pw@h.example/x?token=abc\nfailed"))
	// Output:
	// GET https://h.example/x failed
}
