package callback

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
)

// routes are Config.Addresses: by the "host:port" that net/http dials, where that is.
type routes map[string]netip.AddrPort

// dialFunc connects to an address, as net.Dialer.DialContext does.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// newRoutes reads Config.Addresses.
func newRoutes(addresses map[string]netip.AddrPort) (routes, error) {
	r := make(routes, len(addresses))
	for text, address := range addresses {
		key, err := parseRoute(text, address)
		if err != nil {
			return nil, err
		}
		r[key] = address
	}
	return r, nil
}

// parseRoute returns the key of a route in its canonical form. Its errors are read after the text.
func parseRoute(text string, address netip.AddrPort) (string, error) {
	s, err := parseSite(text)
	switch {
	case err != nil:
		return "", err
	case s.ip.IsValid():
		return "", errors.New("must name a host, not an address")
	case !address.IsValid() || address.Port() == 0:
		return "", errors.New("must lead to an address with a port")
	case s.port == 0:
		s.port = 443
	}
	return net.JoinHostPort(s.host, strconv.Itoa(int(s.port))), nil
}

// cover is whether callbacks to the target take a route. Only https does: the certificate is what tells the receiver.
func (r routes) cover(t target) bool {
	_, ok := r[t.address()]
	return ok && t.url.Scheme == "https"
}

// dial returns what connects along the routes, and to everything else through the guarded dialer. What is dialled was
// admitted before, and in the same canonical form, so a key cannot be met by another spelling.
func (r routes) dial(guarded *net.Dialer) dialFunc {
	if len(r) == 0 {
		return guarded.DialContext
	}
	direct := &net.Dialer{Timeout: guarded.Timeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if route, ok := r[address]; ok {
			return direct.DialContext(ctx, network, route.String())
		}
		return guarded.DialContext(ctx, network, address)
	}
}
