package api_test

import (
	"testing"

	"github.com/outgate/outgate/handlers/api"
)

func TestABridgeThatWasRefusedSaysHowMuchOfItsLimitsItUses(t *testing.T) {
	g := newGateway(t, 1, bridge("sb", limited("50/1s")), bridge("calm", limited("50/1s")))
	g.Work()
	g.Outcomes(g.EnqueueBatch(send("sb", "a", `{"throttle_ms":10,"times":1}`), send("calm", "a", ""))...)
	until(t, "the share is shown", func() bool {
		bridges := get[api.Bridges](g, "/bridges").Bridges
		calm, sb := bridges[0], bridges[1]
		// Of nine tenths some thousandths grow back while it is looked.
		return calm.ID == "calm" && calm.Share == 1 && sb.Share >= .9 && sb.Share < .99
	})
}
