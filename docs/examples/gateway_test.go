package examples_test

import (
	"testing"

	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition"
)

// gateway is the fixture, with what a producer in another language does.
type gateway struct{ *gatewaytest.Gateway }

// newGateway has a worker, and the bridge that outgate dev has.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{gatewaytest.New(t, gatewaytest.Config(partition.DefaultScheme().Count, gatewaytest.Sandbox("sandbox")))}
	g.Work()
	return g
}

// newSmallGateway has one partition for ten envelopes, which keeps what it has over
// a restart, and nobody who delivers.
func newSmallGateway(t *testing.T) *gateway {
	t.Helper()
	cfg := gatewaytest.Config(1)
	cfg.Capacity = 10
	cfg.Pressure = partition.Pressure{Warn: .5, Degraded: .7, Shed: .9, ShedPriorities: []string{"low"}}
	return &gateway{gatewaytest.New(t, cfg, "--appendonly", "yes", "--appendfsync", "always")}
}
