package ratelimit_test

import (
	"strconv"
	"testing"

	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/ratelimit"
)

// BenchmarkReserve makes one call at a time to a real Redis.
func BenchmarkReserve(b *testing.B) {
	for name, tc := range map[string]struct{ bridge, room string }{
		"unlimited":         {},
		"bridge":            {bridge: "100000/1s"},
		"bridge_and_room":   {bridge: "100000/1s", room: "1/1s"},
		"several_limits":    {bridge: "1000/1s 100000/60s", room: "1/1s 20/60s"},
		"waiting_in_a_line": {bridge: "1/1s"},
	} {
		b.Run(name, func(b *testing.B) {
			l := ratelimit.New(redistest.Start(b).Client())
			bridge, room := limits(b, tc.bridge), limits(b, tc.room)
			i := 0
			for b.Loop() {
				i++
				id := strconv.Itoa(i)
				ask(b, l, ratelimit.Request{Bridge: "tg", Room: id, Token: id, BridgeLimits: bridge, RoomLimits: room})
			}
		})
	}
}
