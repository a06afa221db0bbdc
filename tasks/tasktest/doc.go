// Package tasktest is a gateway for the tests of an app that enqueues messages: a Redis
// in memory, a worker, and a provider that takes every message, or fails as it is told.
//
//	func TestAShippedOrderIsAnnounced(t *testing.T) {
//		gateway := tasktest.Start(t, tasktest.Bridges("orders"))
//		shop := NewShop(gateway.Client)
//		shop.Ship("1001")
//		gateway.Drain()
//		if got := gateway.Delivered(); len(got) != 1 || got[0].Text != "Order 1001 has shipped" {
//			t.Errorf("got %v", got)
//		}
//	}
//
// Bridges have the ids that the app uses. A failed attempt is repeated after some
// milliseconds. It is imported from tests only.
package tasktest
