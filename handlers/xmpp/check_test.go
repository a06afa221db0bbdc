package xmpp_test

import (
	"net"
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/xmpp"
	"github.com/outgate/outgate/handlers/xmpp/xmppfake"
)

func TestCheckLogsInAndSendsNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	server := xmppfake.New(xmppfake.Config{Password: "correct horse"})
	go func() { _ = server.Serve(l) }()
	check := func(password string) error {
		c := configured(t, xmpp.Config{JID: "bot@localhost", Password: password, Server: l.Addr().String()})
		return c.Check(t.Context())
	}
	if err := check("correct horse"); err != nil {
		t.Error(err)
	}
	if n := server.Counts(); n.Requests != 0 {
		t.Errorf("the counts are %+v", n)
	}
	err = check("battery staple")
	if v := classify.Classify(err); v.Category != classify.Fatal || v.Reason != classify.ReasonUnauthorized {
		t.Errorf("got %v: %+v", err, v)
	}
	if err != nil && strings.Contains(err.Error(), "battery staple") {
		t.Errorf("the password stands in %v", err)
	}
}
