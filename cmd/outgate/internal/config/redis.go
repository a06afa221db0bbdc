package config

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// RedisURLError says that the address of Redis cannot be used. It quotes no
// secret.
type RedisURLError struct {
	// URL is the address, redacted.
	URL string
	Why string
}

// Error names the address and what is wrong with it.
func (e *RedisURLError) Error() string {
	return "redis.url " + e.URL + ": " + e.Why + "; want redis://host:6379/0, rediss://…, " +
		"redis+sentinel://host:26379,…/0?master=NAME or redis+cluster://host:6379,…"
}

// NewRedis opens a client for an address; it connects when it is used. Further
// options of go-redis may follow as parameters, "?pool_size=50" for instance. The
// error is a *RedisURLError.
func NewRedis(address string) (redis.UniversalClient, error) {
	fail := func(why string) (redis.UniversalClient, error) {
		return nil, &RedisURLError{URL: NewSecretURL(address).String(), Why: why}
	}
	u, hosts, err := parseURL(address)
	if err != nil {
		return fail(err.Error())
	}
	scheme, kind, _ := strings.Cut(u.Scheme, "+")
	if scheme != "redis" && scheme != "rediss" {
		return fail("its scheme is unknown")
	}
	u.Scheme = scheme
	switch kind {
	case "":
		if hosts != u.Host {
			return fail("it has several hosts")
		}
		options, err := redis.ParseURL(u.String())
		if err != nil {
			return fail(err.Error())
		}
		options.ContextTimeoutEnabled = true
		return redis.NewClient(options), nil
	case "sentinel":
		return newSentinel(u, hosts, fail)
	case "cluster":
		if path := strings.Trim(u.Path, "/"); path != "" && path != "0" {
			return fail("a cluster has database 0 only")
		}
		spread(u, hosts, "6379")
		options, err := redis.ParseClusterURL(u.String())
		if err != nil {
			return fail(err.Error())
		}
		options.ContextTimeoutEnabled = true
		return redis.NewClusterClient(options), nil
	}
	return fail("its scheme is unknown")
}

// newSentinel reads the user and password of the address as those of Redis, and
// sentinel_username and sentinel_password as those of the sentinels.
func newSentinel(u *url.URL, hosts string, fail func(string) (redis.UniversalClient, error)) (redis.UniversalClient, error) {
	query := u.Query()
	master := query.Get("master")
	if master == "" {
		return fail("the name of the master is missing: add ?master=NAME")
	}
	query.Del("master")
	query.Set("master_name", master)
	user, password := query.Get("sentinel_username"), query.Get("sentinel_password")
	query.Del("sentinel_username")
	query.Del("sentinel_password")
	u.RawQuery = query.Encode()
	spread(u, hosts, "26379")
	options, err := redis.ParseFailoverURL(u.String())
	if err != nil {
		return fail(err.Error())
	}
	if u.User != nil {
		options.Username = u.User.Username()
		options.Password, _ = u.User.Password()
	}
	options.SentinelUsername, options.SentinelPassword = user, password
	options.ContextTimeoutEnabled = true
	return redis.NewFailoverClient(options), nil
}

// spread writes several hosts as go-redis reads them: the first as the host, the
// others as parameters.
func spread(u *url.URL, hosts, port string) {
	query := u.Query()
	for i, host := range strings.Split(hosts, ",") {
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		if i == 0 {
			u.Host = host
		} else {
			query.Add("addr", host)
		}
	}
	u.RawQuery = query.Encode()
}

// Unreachable says what to do about a Redis that does not answer as it should.
func Unreachable(address SecretURL, err error) error {
	var network net.Error
	switch {
	case errors.Is(err, partition.ErrNotReady):
		return fmt.Errorf("the Redis at %s: %w", address, err)
	case redis.IsAuthError(err):
		return fmt.Errorf("the Redis at %s wants another user or password, which belong into its address: %w", address, err)
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &network):
		return fmt.Errorf("no answer from Redis at %s: start it, or say where it is with --redis or OUTGATE_REDIS_URL: %w", address, err)
	}
	return fmt.Errorf("the Redis at %s: %w", address, err)
}
