package classify_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
)

// declaredReasons reads the constants of type Reason from the source.
func declaredReasons(t *testing.T) []classify.Reason {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []classify.Reason
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Reason" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			reasons = append(reasons, classify.Reason(text))
		}
		return true
	})
	slices.Sort(reasons)
	return reasons
}

func TestEveryReasonHasACategoryAndAllAreListed(t *testing.T) {
	if diff := cmp.Diff(declaredReasons(t), classify.Reasons()); diff != "" {
		t.Errorf("constants and Reasons differ (-constants +listed):\n%s", diff)
	}
}

// stated is what a reason means that a channel or the gateway states itself.
type stated struct {
	category classify.Category
	// refused, unknown and no are Ambiguous for a request that came so far.
	refused, unknown, no bool
}

func TestAStatedReasonDecides(t *testing.T) {
	var (
		final  = stated{category: classify.Terminal}
		later  = stated{category: classify.Retryable}
		broken = stated{category: classify.Fatal}
		open   = stated{category: classify.Retryable, unknown: true}
	)
	want := map[classify.Reason]stated{
		"invalid_request": final, "missing_external_message_id": final,
		"unsupported_operation": final, "unknown_bridge": final,
		"idempotency_mismatch": final, "too_large": final, "expired": final,
		"removed": final, "superseded": final, "media_rejected": final, "address_forbidden": final,
		"redirected": final, "rejected": final, "not_found": final,
		"forbidden": final, "message_too_long": final, "room_unavailable": final,

		"unauthorized": broken, "gone": broken,

		"queue_full": later, "load_shed": later, "partition_unavailable": later,
		"bridge_suspended": later, "sanitize_failed": later, "rate_limited": later,

		"panic": open, "canceled": open, "timeout": open, "connection_failed": open,
		"connection_lost": open, "dns_failed": open, "tls_failed": open,
		"provider_unavailable": open, "unknown": open,

		"poison":         {classify.Terminal, false, true, false},
		"provider_error": {classify.Retryable, true, true, false},
		"ambiguous":      {classify.Terminal, true, true, true},
		"invalid_reply":  {classify.Retryable, true, true, true},
	}
	for _, reason := range classify.Reasons() {
		t.Run(string(reason), func(t *testing.T) {
			judge := func(sent classify.Sent) bool {
				v := classify.Classify(&classify.Error{Channel: "other", Reason: reason, Sent: sent})
				if v.Reason != reason || v.Category != reason.Category() {
					t.Errorf("got %s %s, want %s %s", v.Category, v.Reason, reason.Category(), reason)
				}
				return v.Ambiguous
			}
			got := stated{
				category: reason.Category(),
				refused:  judge(classify.SentRefused),
				unknown:  judge(classify.SentUnknown),
				no:       judge(classify.SentNo),
			}
			if got != want[reason] {
				t.Errorf("got %+v, want %+v", got, want[reason])
			}
		})
	}
}

func TestAForeignReasonCountsAsUnknown(t *testing.T) {
	r := classify.Reason("bad_hair_day")
	if r.Known() || r.Category() != classify.ReasonUnknown.Category() {
		t.Errorf("Known %t, category %s", r.Known(), r.Category())
	}
}
