package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// IsLoopback is true if only this machine can reach the host.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// TCP opens an address. The setting is the flag or key that changes the address.
func TCP(ctx context.Context, addr, setting string) (net.Listener, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, InUse(addr, setting, err)
	}
	return listener, nil
}

// InUse says what to do about an address that is in use.
func InUse(addr, setting string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: stop the program that listens there, or choose another address with %s", addr, setting)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}
