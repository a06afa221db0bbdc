package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Kind says where the Redis of a benchmark comes from.
type Kind string

// The kinds of Redis.
const (
	// Own is a redis-server started for the benchmark.
	Own Kind = "own"
	// Given is a Redis that was named by its URL.
	Given Kind = "given"
	// Embedded is miniredis in this process. Its figures say nothing about Redis.
	Embedded Kind = "embedded"
)

// Store is the Redis of a benchmark, which nothing else may use.
type Store struct {
	Kind Kind
	// Version is the version that Redis reports; it is empty if it reports none.
	Version string

	opt   redis.Options
	admin *redis.Client
	stop  func()
}

// NotEmptyError says that a Redis holds keys, which the benchmark would delete.
type NotEmptyError struct{ Keyspace string }

// Error says what Redis holds and what to do.
func (e *NotEmptyError) Error() string {
	return "this Redis is not empty (" + e.Keyspace + "): the benchmark deletes every key of its database, before and after; " +
		"name an empty Redis, or none to have one started, or give --force"
}

// Open opens the Redis at url. If url is empty, it starts a redis-server or, if that is not
// installed, an embedded Redis. Without force it refuses a Redis that holds keys, with a
// *NotEmptyError.
func Open(ctx context.Context, url string, force bool) (*Store, error) {
	if url == "" {
		return start(ctx)
	}
	opt, err := redis.ParseURL(url)
	if err != nil {
		// The parser's error quotes the URL, password and all.
		return nil, &OptionError{"redis", "want redis://, rediss:// or unix:// with the address of one Redis"}
	}
	s := connect(Given, opt)
	if err := s.admin.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("the Redis at %s: %w", opt.Addr, err), s.admin.Close())
	}
	if held := s.keyspace(ctx); held != "" && !force {
		return nil, errors.Join(&NotEmptyError{held}, s.admin.Close())
	}
	s.Version = s.info(ctx, "server")["redis_version"]
	return s, nil
}

func start(ctx context.Context) (*Store, error) {
	addr, stop, err := startServer(ctx)
	if errors.Is(err, errNotInstalled) {
		m, err := miniredis.Run()
		if err != nil {
			return nil, fmt.Errorf("start the embedded Redis: %w", err)
		}
		s := connect(Embedded, &redis.Options{Addr: m.Addr()})
		s.stop = m.Close
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	s := connect(Own, &redis.Options{Addr: addr})
	s.stop = stop
	s.Version = s.info(ctx, "server")["redis_version"]
	return s, nil
}

func connect(kind Kind, opt *redis.Options) *Store {
	opt.DisableIdentity = true
	s := &Store{Kind: kind, opt: *opt, stop: func() {}}
	patient := *opt
	patient.ReadTimeout = time.Minute // a flush of millions of keys takes a while
	s.admin = redis.NewClient(&patient)
	return s
}

// Client opens a client; all sides of a comparison have the same options.
func (s *Store) Client() *redis.Client {
	opt := s.opt
	return redis.NewClient(&opt)
}

// flush empties the database.
func (s *Store) flush(ctx context.Context) error {
	if err := s.admin.FlushDB(ctx).Err(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// Close deletes what the benchmark wrote, and ends a Redis that Open started.
func (s *Store) Close() error {
	var err error
	if s.Kind == Given {
		err = s.flush(context.Background())
	}
	err = errors.Join(err, s.admin.Close())
	s.stop()
	return err
}

// keyspace describes the keys of all databases; it is empty if there are none.
func (s *Store) keyspace(ctx context.Context) string {
	text, err := s.admin.Info(ctx, "keyspace").Result()
	if err != nil {
		return "INFO keyspace failed, so its keys are unknown"
	}
	var held []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			held = append(held, line)
		}
	}
	return strings.Join(held, " ")
}

// info is a section of Redis' INFO; it is empty if the command fails.
func (s *Store) info(ctx context.Context, section string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(s.admin.Info(ctx, section).Val()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}
