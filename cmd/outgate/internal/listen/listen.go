package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// IsLoopback is true for a host that only this machine reaches.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// TCP opens an address. The setting is the one that another address is chosen with.
func TCP(ctx context.Context, addr, setting string) (net.Listener, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, InUse(addr, setting, err)
	}
	return listener, nil
}

// InUse says what to do about an address that is taken.
func InUse(addr, setting string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: stop what listens there, or choose another with %s", addr, setting)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}
