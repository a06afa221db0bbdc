package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/handlers/api"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// settings are the flags that choose or override the configuration.
type settings struct {
	config, redis string
	// addr and logLevel are flags of serve only.
	addr, logLevel string
}

func (s *settings) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.config, "config", "", "configuration `FILE` (OUTGATE_CONFIG)")
	cmd.Flags().StringVar(&s.redis, "redis", "", "`URL` of Redis, for example redis://127.0.0.1:6379/0 (OUTGATE_REDIS_URL)")
}

// load reads the configuration. Flags override the environment, which overrides the file.
func (a *app) load(s settings) (*config.Config, error) {
	cfg, faults, err := a.read(s)
	if err == nil {
		err = config.Join(faults)
	}
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// read is load; it returns the faults separately.
func (a *app) read(s settings) (*config.Config, []config.Fault, error) {
	var overrides []config.Override
	add := func(path, flag, value, variable string) {
		switch {
		case value != "":
			overrides = append(overrides, config.Override{Path: path, Source: flag, Value: value})
		case a.env(variable) != "":
			overrides = append(overrides, config.Override{Path: path, Source: variable, Value: a.env(variable)})
		}
	}
	add("redis.url", "--redis", s.redis, "OUTGATE_REDIS_URL")
	add("http.addr", "--addr", s.addr, "OUTGATE_HTTP_ADDR")
	add("log.level", "--log-level", s.logLevel, "OUTGATE_LOG_LEVEL")
	// The token is used as it is, even if it looks like a variable.
	if a.env("OUTGATE_HTTP_TOKEN") != "" {
		overrides = append(overrides, config.Override{
			Path: "http.token", Source: "OUTGATE_HTTP_TOKEN", Value: "${OUTGATE_HTTP_TOKEN}",
		})
	}
	name, data, err := config.ReadFile(a.configPath(s.config))
	if err != nil {
		return nil, nil, usageError{err}
	}
	cfg, faults := config.Read(name, data, channels.Known, a.env, overrides)
	return cfg, faults, nil
}

func (a *app) configPath(flag string) string {
	if flag != "" {
		return flag
	}
	return a.env("OUTGATE_CONFIG")
}

// session is a connection to a Redis that a gateway has configured.
type session struct {
	cfg    *config.Config
	rdb    redis.UniversalClient
	scheme partition.Scheme
	client *tasks.Client
}

// ofWorker is true if a fault concerns the worker only. A command that only reads Redis
// does not need the secrets of the bridges.
func ofWorker(f config.Fault) bool {
	section, _, _ := strings.Cut(f.Path, ".")
	section, _, _ = strings.Cut(section, "[")
	return section == "bridges" || section == "http"
}

// open connects a command to Redis.
func (a *app) open(ctx context.Context, s settings) (*session, error) {
	cfg, faults, err := a.read(s)
	if err == nil {
		err = config.Join(slices.DeleteFunc(faults, ofWorker))
	}
	if err != nil {
		return nil, err
	}
	rdb, err := config.NewRedis(cfg.Redis.URL.Reveal())
	if err != nil {
		return nil, err
	}
	scheme, err := partition.ReadScheme(ctx, rdb)
	if err != nil {
		_ = rdb.Close()
		return nil, config.Unreachable(cfg.Redis.URL, err)
	}
	return &session{cfg: cfg, rdb: rdb, scheme: scheme, client: tasks.NewClient(rdb)}, nil
}

func (s *session) close() {
	_ = s.client.Close()
	_ = s.rdb.Close()
}

// views are the answers of /api/v1, read directly from the session's Redis. They are at
// most age old; zero means one second. The caller need not close them.
func (s *session) views(age time.Duration) *api.API {
	return api.New(api.Config{Redis: s.rdb, Scheme: s.scheme, ViewAge: age})
}

func (s *session) checkPartition(index int) error {
	if index < 0 || index >= s.scheme.Count {
		return usagef("there is no partition %d; the partitions are 0 to %d", index, s.scheme.Count-1)
	}
	return nil
}

// isFault is true if err is a fault of the API with this status.
func isFault(err error, status int) bool {
	fault, ok := errors.AsType[*api.Fault](err)
	return ok && fault.Status == status
}

// isMissing is true if the API answers 404.
func isMissing(err error) bool { return isFault(err, http.StatusNotFound) }
