package classify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
)

// cause names what broke a request that got no answer.
func cause(err error) Reason {
	switch {
	case err == nil:
		return ReasonUnknown
	case is[*PanicError](err):
		return ReasonPanic
	case errors.Is(err, context.Canceled):
		return ReasonCanceled
	case is[*net.DNSError](err):
		return ReasonDNSFailed
	case tlsFailed(err):
		return ReasonTLSFailed
	case timedOut(err):
		return ReasonTimeout
	case notConnected(err):
		return ReasonConnectionFailed
	case connectionLost(err):
		return ReasonConnectionLost
	}
	return ReasonUnknown
}

// tlsFailed is true for a certificate or a handshake that did not do. The alert
// of crypto/tls is not exported; the operation it is wrapped with is its mark.
func tlsFailed(err error) bool {
	return is[*tls.CertificateVerificationError](err) ||
		is[tls.RecordHeaderError](err) ||
		is[x509.UnknownAuthorityError](err) ||
		is[x509.HostnameError](err) ||
		is[x509.CertificateInvalidError](err) ||
		errors.Is(err, http.ErrSchemeMismatch) ||
		isOp(err, "remote error", "local error")
}

// timedOut asks for the method alone, not for net.Error: the cause of a context
// need not be one.
func timedOut(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// notConnected is true where no connection came about.
func notConnected(err error) bool {
	return isOp(err, "dial", "proxyconnect") ||
		isAny(err, syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH)
}

// connectionLost is true where a connection broke.
func connectionLost(err error) bool {
	return isOp(err, "read", "write") ||
		isAny(err, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
			syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

func isOp(err error, ops ...string) bool {
	e, ok := errors.AsType[*net.OpError](err)
	if !ok {
		return false
	}
	return slices.Contains(ops, e.Op)
}
