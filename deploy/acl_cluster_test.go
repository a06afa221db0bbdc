package deploy_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// findsItsWay are the commands that clients send to find their way in a cluster.
var findsItsWay = []string{
	"COMMAND INFO get", "CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES", "CLUSTER INFO", "READONLY", "ASKING",
}

// The users have the same rights on a cluster of three as on one server.
func TestTheUsersOfAClusterCanDoTheSame(t *testing.T) {
	t.Parallel()
	c := newGuardedCluster(t)
	w := work(t, c.as(workerUser))
	tag := w.Keys(w.Config.Scheme.Route("b", "1")).Tag()
	worksAsAWorker(t, w)
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
		t.Errorf("outgate doctor: got %v, want redis.rights ok and 0 problems:\n%s", err, doctor)
	}
	for _, n := range c.nodes {
		if !strings.Contains(doctor, "redis.version."+n.Addr) {
			t.Errorf("outgate doctor has no check of node %s:\n%s", n.Addr, doctor)
		}
	}
	w.calm(t)
}
