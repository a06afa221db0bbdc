//go:build faults

package e2e

import "testing"

// The rooms, and the messages to each room, of the long form of xmpp_load_test.go.
const (
	xmppRooms = 20
	xmppEach  = 100
)

func TestFaultEveryRoomOfAnXMPPServerKeepsItsOrder(t *testing.T) {
	d := newJabber(t, xmppRooms).open(noLimits)
	d.load(xmppRooms, xmppEach)
	d.check(xmppRooms, xmppEach)
}

func TestFaultAnXMPPServerIsRestartedAgainAndAgain(t *testing.T) {
	newJabber(t, xmppRooms).restarts(xmppEach, 3)
}

func TestFaultThePasswordOfABusyXMPPBridgeIsChanged(t *testing.T) {
	newJabber(t, xmppRooms).rotates(xmppEach)
}
