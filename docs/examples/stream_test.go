package examples_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The user has only the rights that the streams need.
func TestAProducerThatMayOnlyAddToTheStreamsIsAnswered(t *testing.T) {
	cmd := python(t)
	g := newGateway(t)
	if err := g.Redis.Do(t.Context(), "ACL", "SETUSER", "shop", "on", ">s3cret", "resetkeys", "resetchannels", "-@all",
		"(+xadd %W~outgate:in:{outbound-[0-9][0-9][0-9]})", "(+lrange %R~outgate:reply:{outbound-[0-9][0-9][0-9]}:*)").Err(); err != nil {
		t.Fatal(err)
	}
	cmd.Args = append(cmd.Args, "python/outgate.py", "--stream")
	cmd.Env = append(cmd.Env, "OUTGATE_REDIS_URL="+strings.Replace(g.Server.URL(), "redis://", "redis://shop:s3cret@", 1))
	want := `good        receipt, accepted
good        outcome, success
faulty      refused, OUTGATE_INVALID payload: must not be empty
failing     receipt, accepted
failing     outcome, error
`
	if diff := cmp.Diff(want, run(t, cmd, nil)); diff != "" {
		t.Errorf("output of the example (-want +got):\n%s", diff)
	}
}
