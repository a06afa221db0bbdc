package examples_test

import (
	"testing"

	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition"
)

// gateway is the fixture, with what a producer in another language does.
type gateway struct{ *gatewaytest.Gateway }

// newGateway starts a gateway with a worker and the bridge of outgate dev.
func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{gatewaytest.New(t, gatewaytest.Config(partition.DefaultScheme().Count, gatewaytest.Sandbox("sandbox")))}
	g.Work()
	return g
}

// newSmallGateway makes a gateway with one partition for ten envelopes and no worker. Its
// Redis keeps its data over a restart.
func newSmallGateway(t *testing.T) *gateway {
	t.Helper()
	cfg := gatewaytest.Config(1)
	cfg.Capacity = 10
	cfg.Pressure = partition.Pressure{Warn: .5, Degraded: .7, Shed: .9, ShedPriorities: []string{"low"}}
	return &gateway{gatewaytest.New(t, cfg, "--appendonly", "yes", "--appendfsync", "always")}
}
