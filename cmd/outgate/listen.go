package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// isLoopback is true for a host that only this machine reaches.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// listen opens an address. The setting is the one that another address is chosen with.
func listen(ctx context.Context, addr, setting string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, inUse(addr, setting, err)
	}
	return listener, nil
}

// inUse says what to do about an address that is taken.
func inUse(addr, setting string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: stop what listens there, or choose another with %s", addr, setting)
	}
	return fmt.Errorf("listen on %s: %w", addr, err)
}
