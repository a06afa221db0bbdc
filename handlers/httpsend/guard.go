package httpsend

import (
	"fmt"
	"net/netip"
	"syscall"
)

// AddressError refuses an address that is not on the public internet.
type AddressError struct {
	// Addr is the address and port that the URL resolved to.
	Addr string
}

// Error names the address.
func (e *AddressError) Error() string {
	return fmt.Sprintf("address %s is not public", e.Addr)
}

// guard allows only public addresses.
var guard = Guard(Public)

// Guard is an SSRF guard: a net.Dialer's Control that dials only allowed addresses. It checks
// the resolved address right before the dial, so a name cannot resolve to another one
// after the check.
func Guard(allow func(netip.Addr) bool) func(network, address string, c syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !allow(ap.Addr()) {
			return &AddressError{Addr: address}
		}
		return nil
	}
}

// In IPv6 only global unicast can be public, without the parts of the IANA IPv6
// Special-Purpose Address Registry.
var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	sixToFour     = netip.MustParsePrefix("2002::/16")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")

	special = prefixes(
		"0.0.0.0/8",       // this network
		"10.0.0.0/8",      // private
		"100.64.0.0/10",   // carrier-grade NAT
		"127.0.0.0/8",     // loopback
		"169.254.0.0/16",  // link-local, cloud metadata
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"192.168.0.0/16",  // private
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, broadcast
		"2001::/23",       // protocol assignments, Teredo
		"2001:db8::/32",   // documentation
		"3fff::/20",       // documentation
	)
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Public is true if an address is on the public internet. Loopback, private, link-local,
// multicast and reserved addresses are not, nor are IPv6 addresses that lead to such an
// IPv4 address (IPv4-mapped, NAT64, 6to4, ISATAP).
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	if a.Is4() {
		return true
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return Public(netip.AddrFrom4([4]byte(b[12:])))
	case !globalUnicast.Contains(a):
		return false
	case sixToFour.Contains(a):
		return Public(netip.AddrFrom4([4]byte(b[2:6])))
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP
		return Public(netip.AddrFrom4([4]byte(b[12:])))
	}
	return true
}
