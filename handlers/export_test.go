package handlers

import (
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers/internal/asynqredis"
)

// Sender is sender.
var Sender = sender

// AsynqRedis is the client that a worker with this configuration gives to asynq.
func AsynqRedis(rdb redis.UniversalClient, cfg Config, attempt func() string) *asynqredis.Client {
	return asynqredis.New(rdb, asynqredis.Config{
		Scheme: cfg.Scheme, Concurrency: cfg.Concurrency, Worker: "worker", Attempt: attempt,
		Exact: newFleet(cfg.Bridges).exact,
	})
}
