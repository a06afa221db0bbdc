package main

import (
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks/tasktest"
)

func TestAPageIsSentAgainWhileTheProviderIsAway(t *testing.T) {
	gateway := tasktest.Start(t, tasktest.Bridges("oncall"))
	gateway.Fail(tasktest.Failure{Category: classify.Retryable, Times: 2})
	if err := page(t.Context(), gateway.Client, "cellar", "Water!"); err != nil {
		t.Fatal(err)
	}
	gateway.Drain()
	if got := gateway.Delivered(); len(got) != 1 || got[0].Text != "Water!" || got[0].Attempt != 3 {
		t.Errorf("got %+v, want one message at the third attempt", got)
	}
}
