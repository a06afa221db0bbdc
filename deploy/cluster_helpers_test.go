package deploy_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/redistest"
)

const (
	// masters is how many the cluster has, the fewest that Redis recommends.
	masters = 3
	// slots is how many hash slots a cluster has.
	slots = 1 << 14
)

// guardedCluster is a Redis Cluster whose nodes have redis.conf and the users of
// users.acl.
type guardedCluster struct {
	*drawn
	nodes []*redistest.Server
}

// newGuardedCluster starts a cluster on free loopback ports, and spreads the slots over its
// nodes.
func newGuardedCluster(t *testing.T) *guardedCluster {
	t.Helper()
	c := &guardedCluster{drawn: draw(t)}
	rules := read(t, c.file("users.acl"))
	var admins []*redis.Client
	for i := range masters {
		// The nodes talk to each other on a second port. By default it is the clients' port
		// plus 10,000, which is too high for many free ports.
		bus, users := freePort(t), c.file(fmt.Sprintf("users-%d.acl", i))
		n := startOpen(t, users, "--cluster-enabled", "yes", "--cluster-port", bus)
		c.nodes = append(c.nodes, n)
		host, port, _ := net.SplitHostPort(n.Addr)
		admin := n.Client()
		admins = append(admins, admin)
		may(t, admin, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		may(t, admin, "CLUSTER", "ADDSLOTSRANGE", i*slots/masters, (i+1)*slots/masters-1)
		may(t, admins[0], "CLUSTER", "MEET", host, port, bus)
	}
	for _, admin := range admins {
		until(t, "a node knows the whole cluster", func() bool {
			info := admin.ClusterInfo(t.Context()).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_size:%d", masters))
		})
	}
	for i, admin := range admins {
		guard(t, admin, c.file(fmt.Sprintf("users-%d.acl", i)), rules)
	}
	return c
}

// as opens a client of one user, which knows one node and must find the others.
func (c *guardedCluster) as(user string) *redis.ClusterClient {
	c.t.Helper()
	rdb := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: []string{c.nodes[0].Addr}, Username: user, Password: c.password(user), DisableIdentity: true,
	})
	c.t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// node opens a client of one user at the node that has the key.
func (c *guardedCluster) node(user, key string) *redis.Client {
	c.t.Helper()
	n, err := c.as(user).MasterForKey(c.t.Context(), key)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
