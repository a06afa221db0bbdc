package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
)

func TestNewRedis(t *testing.T) {
	type options struct {
		Kind               string
		Addrs              []string
		User, Password     string
		DB                 int
		TLS                bool
		Sentinel           string
		PoolSize           int
		ContextTimeoutsSet bool
	}
	read := func(t *testing.T, rdb redis.UniversalClient) options {
		t.Helper()
		switch c := rdb.(type) {
		case *redis.Client:
			o := c.Options()
			got := options{
				Kind: "one", Addrs: []string{o.Addr}, User: o.Username, Password: o.Password, DB: o.DB, TLS: o.TLSConfig != nil,
				PoolSize: o.PoolSize, ContextTimeoutsSet: o.ContextTimeoutEnabled,
			}
			if o.Addr == "FailoverClient" {
				got.Kind, got.Addrs = "sentinel", nil
			}
			return got
		case *redis.ClusterClient:
			o := c.Options()
			return options{
				Kind: "cluster", Addrs: o.Addrs, User: o.Username, Password: o.Password, TLS: o.TLSConfig != nil,
				PoolSize: o.PoolSize, ContextTimeoutsSet: o.ContextTimeoutEnabled,
			}
		}
		t.Fatalf("a %T", rdb)
		return options{}
	}
	for address, want := range map[string]options{
		"redis://h?pool_size=3":                                                            {Kind: "one", Addrs: []string{"h:6379"}},
		"redis://u:p%2Fw@h:1/2?pool_size=3":                                                {Kind: "one", Addrs: []string{"h:1"}, User: "u", Password: "p/w", DB: 2},
		"rediss://h:1/0?skip_verify=true&pool_size=3":                                      {Kind: "one", Addrs: []string{"h:1"}, TLS: true},
		"redis+cluster://u:p@a:1,b,[::1]/0?pool_size=3":                                    {Kind: "cluster", Addrs: []string{"a:1", "b:6379", "[::1]:6379"}, User: "u", Password: "p"},
		"rediss+cluster://a?pool_size=3":                                                   {Kind: "cluster", Addrs: []string{"a:6379"}, TLS: true},
		"redis+sentinel://u:p@a,b:2/4?master=m&pool_size=3":                                {Kind: "sentinel", User: "u", Password: "p", DB: 4},
		"rediss+sentinel://a?master=m&sentinel_username=x&sentinel_password=y&pool_size=3": {Kind: "sentinel", TLS: true},
	} {
		rdb, err := config.NewRedis(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		want.PoolSize, want.ContextTimeoutsSet = 3, true
		if diff := cmp.Diff(want, read(t, rdb)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", address, diff)
		}
		_ = rdb.Close()
	}
}

func TestARedisAddressThatCannotBeUsed(t *testing.T) {
	for address, why := range map[string]string{
		"":                                         "cannot be read as a URL",
		"redis://:hunter2@":                        "has no host",
		"http://h":                                 "its scheme is unknown",
		"redis+ring://h":                           "its scheme is unknown",
		"redis://u:hunter2@a,b":                    "it has several hosts",
		"redis://u:hunter2@a/x":                    "invalid database number",
		"redis+cluster://u:hunter2@a/3":            "a cluster has database 0 only",
		"redis+cluster://u:hunter2@a?nonsense=1":   "unexpected option: nonsense",
		"redis+sentinel://u:hunter2@a":             "the name of the master is missing: add ?master=NAME",
		"redis+sentinel://u:hunter2@a/x?master=m":  "invalid database number",
		"redis+sentinel://u:hunter2@a?master=m&x=": "unexpected option: x",
	} {
		_, err := config.NewRedis(address)
		var fault *config.RedisURLError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want something about %q", address, err, why)
		}
	}
}
