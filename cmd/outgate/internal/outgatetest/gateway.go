// Package outgatetest has the fixtures of the command's tests: a gateway that a
// configuration sets up, a process to wait for, and its pages. Only tests import it.
package outgatetest

import (
	"io"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition/redistest"
)

// Gateway is the fixture as a configuration says.
type Gateway struct {
	*gatewaytest.Gateway
	Config *config.Config
	// Store is the embedded Redis of New, nil on a Redis of the test's own.
	Store *miniredis.Miniredis
}

// New announces the gateway of a configuration to an embedded Redis. It has two
// partitions if the configuration says nothing of them.
func New(t testing.TB, yaml string) *Gateway {
	t.Helper()
	if !strings.Contains(yaml, "partitions:") {
		yaml += "\npartitions: {count: 2}"
	}
	cfg, err := config.Parse("stand.yaml", []byte(yaml), channels.Known, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	store, _ := redistest.Mini(t)
	rdb, err := config.NewRedis("redis://" + store.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	s := On(t, cfg, rdb)
	s.Store = store
	s.Announce()
	return s
}

// On is the gateway of a configuration on a Redis that is there. Nothing is announced to
// it yet.
func On(t testing.TB, cfg *config.Config, rdb redis.UniversalClient) *Gateway {
	t.Helper()
	worker, err := channels.Worker(cfg, zap.NewNop(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return &Gateway{Gateway: gatewaytest.On(t, rdb, worker), Config: cfg}
}

// URL is the address of the embedded Redis.
func (s *Gateway) URL() string { return "redis://" + s.Store.Addr() }
