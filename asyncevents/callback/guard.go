package callback

import (
	"fmt"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

// metadataPrefixes are addresses at which clouds hand out credentials or settings to their machines and that lie
// outside the ranges that are refused anyway, or inside those that AllowPrivate opens.
var metadataPrefixes = []netip.Prefix{
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud, in the shared address space
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure WireServer, a public address that only the own host answers
	netip.MustParsePrefix("fd00:ec2::/32"),      // AWS, in the unique local range
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google Cloud, in the unique local range
}

var (
	privatePrefixes4 = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
	}
	privatePrefixes6 = []netip.Prefix{
		netip.MustParsePrefix("::1/128"),
		netip.MustParsePrefix("fc00::/7"),
	}
)

// guard says which addresses may be connected to. IPv4: all but IANA's special-purpose ranges and multicast. IPv6:
// nothing but global unicast (2000::/3), which leaves out mapped addresses, NAT64, site-local, link-local and multicast,
// and of it not the ranges that carry an IPv4 address inside (6to4, Teredo) or are reserved.
type guard struct {
	ranges *ssrf.Guardian
}

// newGuard returns a guard that allows those ports; with allowPrivate every port, and what Config.AllowPrivate lists.
func newGuard(allowPrivate bool, ports ...uint16) *guard {
	if !allowPrivate {
		return &guard{ssrf.New(ssrf.WithPorts(ports...))}
	}
	return &guard{ssrf.New(
		ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(privatePrefixes4...),
		ssrf.WithAllowedV6Prefixes(privatePrefixes6...),
	)}
}

// control is a net.Dialer's Control: it sees the address after the name was resolved and before the connection is made.
// There is no later moment at which the address could change.
func (g *guard) control(network, address string, conn syscall.RawConn) error {
	if err := g.ranges.Safe(network, address, conn); err != nil {
		return fmt.Errorf("%w: %w", ErrForbiddenAddress, err)
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForbiddenAddress, err)
	}
	return refuseMetadata(target.Addr())
}

// address decides on an address alone. A zone matches no range that is allowed.
func (g *guard) address(ip netip.Addr) error {
	if err := g.ranges.SafeAddr(ip); err != nil {
		return fmt.Errorf("%w: %w", ErrForbiddenAddress, err)
	}
	return refuseMetadata(ip)
}

func refuseMetadata(ip netip.Addr) error {
	for _, prefix := range metadataPrefixes {
		if prefix.Contains(ip) {
			return fmt.Errorf("%w: %s belongs to a metadata service", ErrForbiddenAddress, ip)
		}
	}
	return nil
}
