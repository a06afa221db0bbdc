package xmpp

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
)

// maxStanza is how many bytes of one stanza are read; servers take 256 KiB from a
// client, and more from each other.
const maxStanza = 2 << 20

var errTooLong = errors.New("the server sent an endless stanza")

// meter is a connection that counts what is read.
type meter struct {
	net.Conn
	// heard is all, since what was read since the last stanza began.
	heard, since atomic.Int64
}

// Read reads, up to a bound.
func (m *meter) Read(b []byte) (int, error) {
	if m.since.Load() > maxStanza {
		return 0, errTooLong
	}
	n, err := m.Conn.Read(b)
	m.heard.Add(int64(n))
	m.since.Add(int64(n))
	return n, err
}

// ConnectionState is TLS's where the connection was encrypted from its beginning.
func (m *meter) ConnectionState() tls.ConnectionState {
	if t, ok := m.Conn.(*tls.Conn); ok {
		return t.ConnectionState()
	}
	return tls.ConnectionState{}
}
