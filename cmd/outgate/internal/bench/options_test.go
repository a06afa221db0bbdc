package bench_test

import (
	"errors"
	"testing"
	"time"

	"github.com/outgate/outgate/cmd/outgate/internal/bench"
)

func TestOptionsValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*bench.Options)
		option string
	}{
		"the defaults are fine":              {func(*bench.Options) {}, ""},
		"every measurement can be named":     {func(o *bench.Options) { o.Only = bench.Names() }, ""},
		"no message is too few":              {func(o *bench.Options) { o.Messages = 0 }, "messages"},
		"more than ten million messages":     {func(o *bench.Options) { o.Messages = 10_000_001 }, "messages"},
		"no room is too few":                 {func(o *bench.Options) { o.Rooms = 0 }, "rooms"},
		"more than 256 partitions":           {func(o *bench.Options) { o.Partitions = 257 }, "partitions"},
		"nothing at once is no concurrency":  {func(o *bench.Options) { o.Concurrency = 0 }, "concurrency"},
		"no run has no median":               {func(o *bench.Options) { o.Runs = 0 }, "runs"},
		"an unknown measurement is an error": {func(o *bench.Options) { o.Only = []string{"idle", "speed"} }, "only"},
	} {
		t.Run(name, func(t *testing.T) {
			o := bench.DefaultOptions()
			tc.change(&o)
			err := o.Validate()
			var option *bench.OptionError
			switch {
			case tc.option == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case tc.option != "" && (!errors.As(err, &option) || option.Option != tc.option):
				t.Errorf("got error %v, want one of --%s", err, tc.option)
			}
		})
	}
}

func TestRunRefusesBadOptions(t *testing.T) {
	var option *bench.OptionError
	if _, err := bench.Run(t.Context(), nil, bench.Options{}); !errors.As(err, &option) {
		t.Errorf("got error %v, want an OptionError", err)
	}
}

func TestSmallRunsTakeLess(t *testing.T) {
	for name, tc := range map[string]struct {
		messages, samples int
		rest              time.Duration
	}{
		"the default measures in full":          {50_000, 200, 5 * time.Second},
		"the full size begins at 20,000":        {20_000, 200, 5 * time.Second},
		"half of it measures half":              {10_000, 100, 2500 * time.Millisecond},
		"a quick run measures a tenth":          {2000, 20, 500 * time.Millisecond},
		"a tiny run still measures something":   {1, 20, 500 * time.Millisecond},
		"a huge run does not take hours for it": {10_000_000, 200, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			o := bench.Options{Messages: tc.messages}
			if o.Samples() != tc.samples || o.Rest() != tc.rest {
				t.Errorf("got %d samples and %s, want %d and %s", o.Samples(), o.Rest(), tc.samples, tc.rest)
			}
		})
	}
}
