package bench_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/cmd/outgate/internal/bench"
	"github.com/outgate/outgate/partition/redistest"
)

func open(t *testing.T) *bench.Store {
	t.Helper()
	s, err := bench.Open(t.Context(), "", false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestOpenStartsARedisOfItsOwn(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.Client()
	defer func() { _ = c.Close() }()
	addr := c.Options().Addr
	if s.Kind != bench.Own || s.Version == "" || strings.HasSuffix(addr, ":6379") || !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Errorf("got a Redis %q of kind %s at %s, want an own one on a free loopback port", s.Version, s.Kind, addr)
	}
	if err := c.Set(t.Context(), "a", "b", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Error("got an answer after Close, want an error")
	}
}

func TestOpenFallsBackToTheEmbeddedRedis(t *testing.T) {
	t.Setenv("PATH", "")
	s := open(t)
	if s.Kind != bench.Embedded || s.Version != "" {
		t.Errorf("got kind %s, version %q; want %s without a version", s.Kind, s.Version, bench.Embedded)
	}
}

func TestOpenGivesUpWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := bench.Open(ctx, "", false); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

func TestOpenAGivenRedis(t *testing.T) {
	server := redistest.Start(t)
	c := server.Client()
	s, err := bench.Open(t.Context(), server.URL(), false)
	if err != nil {
		t.Fatal(err)
	}
	if s.Kind != bench.Given || s.Version == "" {
		t.Errorf("got kind %s, version %q; want %s with a version", s.Kind, s.Version, bench.Given)
	}
	if err := c.Set(t.Context(), "left", "over", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := c.DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("got %d keys, want 0", n)
	}
}

func TestOpenRefusesARedisThatIsNotEmpty(t *testing.T) {
	server := redistest.Start(t)
	elsewhere := redis.NewClient(&redis.Options{Addr: server.Addr, DB: 3})
	defer func() { _ = elsewhere.Close() }()
	if err := elsewhere.Set(t.Context(), "precious", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	var notEmpty *bench.NotEmptyError
	_, err := bench.Open(t.Context(), server.URL(), false)
	if !errors.As(err, &notEmpty) || !strings.Contains(err.Error(), "db3") || !strings.Contains(err.Error(), "--force") {
		t.Errorf("got error %v, want a NotEmptyError that names db3 and --force", err)
	}
	s, err := bench.Open(t.Context(), server.URL(), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if v := elsewhere.Get(t.Context(), "precious").Val(); v != "1" {
		t.Errorf("got %q in the other database, want 1", v)
	}
}

func TestOpenRefusesAWrongAddress(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	nobody := server.URL()
	server.Kill()
	for name, tc := range map[string]struct {
		address string
		option  bool
	}{
		"another protocol":             {"http://:hunter2@127.0.0.1:1", true},
		"a text that is no URL":        {"hunter2:%zz", true},
		"a Redis that does not answer": {strings.Replace(nobody, "//", "//:hunter2@", 1), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bench.Open(t.Context(), tc.address, false)
			var option *bench.OptionError
			var parsing *url.Error
			if err == nil || errors.As(err, &option) != tc.option || errors.As(err, &parsing) {
				t.Errorf("got error %v, want one, an OptionError: %v", err, tc.option)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got error %q, want it without the password", err)
			}
		})
	}
}

func TestOpenRefusesARedisThatHidesItsKeyspace(t *testing.T) {
	server := redistest.Start(t, "--rename-command", "INFO", "")
	var notEmpty *bench.NotEmptyError
	if _, err := bench.Open(t.Context(), server.URL(), false); !errors.As(err, &notEmpty) {
		t.Errorf("got error %v, want a NotEmptyError", err)
	}
}
