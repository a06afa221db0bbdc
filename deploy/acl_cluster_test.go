package deploy_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/outgate/outgate/partition"
)

// findsItsWay are what clients of a cluster send beside the commands they are asked
// for.
var findsItsWay = []string{
	"COMMAND INFO get", "CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES", "CLUSTER INFO", "READONLY", "ASKING",
}

// A cluster takes the same users: what they may on one server they may on three, and
// no more.
func TestTheUsersOfAClusterCanDoTheSame(t *testing.T) {
	t.Parallel()
	c := newGuardedCluster(t)
	w := work(t, c.as(workerUser))
	tag := partition.Keys{Queue: w.scheme.Queue(w.scheme.Route("b", "1"))}.Tag()
	worksAsAWorker(t, c.as(workerUser), w)
	isServed(t, c.as(untrustedUser), w)
	produces(t, c.as(producerUser), tag)
	for user, refused := range map[string][]string{
		workerUser: notAWorkers, producerUser: notAProducers, untrustedUser: notAnUntrusteds,
	} {
		n := c.node(user, tag)
		for _, line := range findsItsWay {
			may(t, n, words(line)...)
		}
		for _, line := range refused {
			mayNot(t, n, words(line)...)
		}
	}

	url := fmt.Sprintf("redis+cluster://%s:%s@%s", workerUser, c.password(workerUser), c.nodes[0].Addr)
	write(t, c.file("url"), url)
	write(t, c.file("outgate.yaml"), "redis: {url_file: url}\nbridges: [{id: b, channel: sandbox}]\n")
	doctor, err := outgate(t, nil, "doctor", "--config", c.file("outgate.yaml"))
	if err != nil || !regexp.MustCompile(`(?m)^ok +redis\.rights `).MatchString(doctor) || !strings.Contains(doctor, "\n0 problems, ") {
		t.Errorf("doctor: %v\n%s", err, doctor)
	}
	for _, n := range c.nodes {
		if !strings.Contains(doctor, "redis.version."+n.Addr) {
			t.Errorf("doctor did not look at %s:\n%s", n.Addr, doctor)
		}
	}
	w.calm(t)
}
