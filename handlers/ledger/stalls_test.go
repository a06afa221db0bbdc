package ledger_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/outgate/outgate/handlers/ledger"
)

// The clock of a synctest stands still while anybody works.
func TestAMachineWithoutStallsIsSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalls := ledger.Stalls()
		<-time.After(time.Minute)
		if late := stalls(); late != 0 {
			t.Errorf("%s late", late)
		}
	})
}
