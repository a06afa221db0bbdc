package ledger_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/outgate/outgate/handlers/ledger"
)

// The clock of synctest stands still while a goroutine works.
func TestAMachineWithoutStallsIsSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalls := ledger.Stalls()
		<-time.After(time.Minute)
		if late := stalls(); late != 0 {
			t.Errorf("got a delay of %s, want 0", late)
		}
	})
}
