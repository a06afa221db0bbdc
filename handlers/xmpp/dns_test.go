package xmpp_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver asks a name server that knows one service of localhost, at a port.
func resolver(t testing.TB, service string, port int) *net.Resolver {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			answer(&m, service, port)
			if raw, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(raw, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func answer(m *dnsmessage.Message, service string, port int) {
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}}
	switch {
	case q.Type == dnsmessage.TypeSRV && strings.HasPrefix(q.Name.String(), service+"."):
		r.Body = &dnsmessage.SRVResource{Target: dnsmessage.MustNewName("xmpp.localhost."), Port: uint16(port)}
	case q.Type == dnsmessage.TypeA && q.Name.String() == "xmpp.localhost.":
		r.Body = &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}
	default:
		m.RCode = dnsmessage.RCodeNameError
		return
	}
	m.Answers = []dnsmessage.Resource{r}
}
