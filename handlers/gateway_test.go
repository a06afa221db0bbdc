package handlers_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/tasks"
)

// What the tests say often.
var (
	until      = gatewaytest.Until
	testBridge = gatewaytest.Bridge
)

// testConfig is the configuration of a gateway with 16 partitions, for thousands of
// envelopes.
func testConfig(bridges ...*handlers.Bridge) handlers.Config {
	cfg := gatewaytest.Config(16, bridges...)
	cfg.Capacity = 10_000
	return cfg
}

// onePartition is the configuration of a gateway that has all rooms in one.
func onePartition(bridges ...*handlers.Bridge) handlers.Config {
	cfg := testConfig(bridges...)
	cfg.Scheme.Count = 1
	return cfg
}

// gateway is the fixture, with what the tests of the worker do to it.
type gateway struct{ *gatewaytest.Gateway }

// newGateway has a redis-server of its own; args are options of it.
func newGateway(t *testing.T, cfg handlers.Config, args ...string) *gateway {
	t.Helper()
	return &gateway{gatewaytest.New(t, cfg, args...)}
}

func newGatewayOn(t *testing.T, rdb redis.UniversalClient, cfg handlers.Config) *gateway {
	t.Helper()
	return &gateway{gatewaytest.On(t, rdb, cfg).Announce()}
}

// worker is a running worker, with what the tests read of its metrics.
type worker struct{ *gatewaytest.Worker }

// work starts a worker; the test's end stops it.
func (g *gateway) work() *worker {
	g.T.Helper()
	return &worker{g.Work()}
}

func toRoom(bridge, room, text string) tasks.Envelope { return gatewaytest.Text(bridge, room, text) }
