package callback

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// site is one entry of Config.TrustedSites.
type site struct {
	host string
	// ip is the host where it is an address, which has no subdomains.
	ip netip.Addr
	// port is the only one that the site is trusted on; 0 means that of https.
	port uint16
}

// parseSite reads "host" or "host:port". Its errors are read after the text.
func parseSite(text string) (site, error) {
	host, port, err := splitSite(text)
	if err != nil {
		return site{}, err
	}
	s := site{port: port}
	if s.host, s.ip, err = parseHost(host); err != nil {
		return site{}, errors.New("must be a host or host:port, without a scheme, path or wildcard")
	}
	return s, nil
}

func splitSite(text string) (host string, port uint16, err error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if _, err := netip.ParseAddr(bare); err == nil || !strings.Contains(text, ":") {
		return bare, 0, nil
	}
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, errors.New("must be a host or host:port")
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 {
		return "", 0, errors.New("must have a port of 1 to 65535")
	}
	return host, uint16(n), nil
}

// covers is whether the target's host is the site's or, at a dot, below it. "example.com" covers "a.example.com", not
// "badexample.com" or "example.com.evil".
func (s site) covers(t target) bool {
	return t.host == s.host || !s.ip.IsValid() && !t.ip.IsValid() && strings.HasSuffix(t.host, "."+s.host)
}

// perimeter decides which URLs callbacks may go to.
type perimeter struct {
	sites []site
	// open is whether hosts that no site covers are trusted, too.
	open         bool
	routes       routes
	allowPrivate bool
	guard        *guard
}

// newPerimeter reads a Config that is valid.
func newPerimeter(cfg *Config) (*perimeter, error) {
	p := &perimeter{allowPrivate: cfg.AllowPrivate, open: len(cfg.TrustedSites) == 0}
	ports := []uint16{443}
	for _, text := range append(slices.Collect(maps.Keys(cfg.Sites)), cfg.TrustedSites...) {
		s, err := parseSite(text)
		if err != nil {
			return nil, err
		}
		p.sites = append(p.sites, s)
		if s.port != 0 {
			ports = append(ports, s.port)
		}
	}
	p.guard = newGuard(cfg.AllowPrivate, ports...)
	var err error
	p.routes, err = newRoutes(cfg.Addresses)
	return p, err
}

// admit returns where the URL leads, or a *URLError when callbacks may not go there. It asks no resolver.
func (p *perimeter) admit(rawURL string) (target, error) {
	t, err := parseTarget(rawURL)
	if err != nil {
		return target{}, err
	}
	if t.url.Scheme != "https" && !p.allowPrivate {
		return target{}, &URLError{Reason: "must be an https URL"}
	}
	if p.routes.cover(t) {
		return t, nil
	}
	if err := p.trust(t); err != nil {
		return target{}, err
	}
	if t.ip.IsValid() {
		if err := p.guard.address(t.ip); err != nil {
			return target{}, &URLError{Reason: "must not have an address that is not public", err: ErrForbiddenAddress}
		}
	}
	return t, nil
}

// trust finds a site that covers the target on its port. Without TrustedSites every host is one.
func (p *perimeter) trust(t target) error {
	sites, found := p.sites, false
	if p.open {
		sites = append(slices.Clip(sites), site{host: t.host, ip: t.ip})
	}
	for _, s := range sites {
		if !s.covers(t) {
			continue
		}
		if found = true; p.allowsPort(s, t.port) {
			return nil
		}
	}
	if found {
		return &URLError{Reason: "must not have this port"}
	}
	return &URLError{Reason: "must be on a trusted site"}
}

func (p *perimeter) allowsPort(s site, port uint16) bool {
	if s.port == 0 {
		return port == 443 || p.allowPrivate
	}
	return port == s.port
}
