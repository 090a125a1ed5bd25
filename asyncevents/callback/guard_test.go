package callback

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// forbidden is an address of every kind that no callback may go to.
var forbidden = map[string][]string{
	"loopback":      {"127.0.0.1", "127.255.255.254", "::1"},
	"unspecified":   {"0.0.0.0", "0.1.2.3", "::"},
	"private":       {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"},
	"unique local":  {"fc00::1", "fd12:3456::1"},
	"link-local":    {"169.254.0.1", "fe80::1"},
	"site-local":    {"fec0::1"},
	"metadata":      {"169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"},
	"CGNAT":         {"100.64.0.1", "100.127.255.255"},
	"mapped":        {"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"},
	"compatible":    {"::7f00:1", "::808:808"},
	"translated":    {"::ffff:0:7f00:1"},
	"NAT64":         {"64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1", "64:ff9b:1:ffff::1"},
	"6to4":          {"2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1"},
	"Teredo":        {"2001::1", "2001:0:53aa:64c:0:0:80ff:fffe"},
	"ORCHID":        {"2001:10::1", "2001:20::1"},
	"zone":          {"fe80::1%eth0", "::1%lo", "2606:4700::1111%eth0"},
	"multicast":     {"224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"},
	"broadcast":     {"255.255.255.255", "240.0.0.1"},
	"documentation": {"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"},
	"benchmarking":  {"198.18.0.1", "198.19.255.255", "2001:2::1"},
	"protocol":      {"192.0.0.1", "192.88.99.1", "100::1", "5f00::1"},
	"unallocated":   {"4000::1", "8000::1", "e000::1"},
}

func network(ip netip.Addr) string {
	if ip.Is4() {
		return "tcp4"
	}
	return "tcp6"
}

func TestGuardRefusesEveryKind(t *testing.T) {
	t.Parallel()
	g := newGuard(false, 443)
	for kind, ips := range forbidden {
		for _, text := range ips {
			ip := netip.MustParseAddr(text)
			address := netip.AddrPortFrom(ip, 443).String()
			assert.ErrorIs(t, g.control(network(ip), address, nil), ErrForbiddenAddress, "%s %s", kind, text)
			assert.ErrorIs(t, g.address(ip), ErrForbiddenAddress, "%s %s", kind, text)
		}
	}
	for _, address := range []string{"8.8.8.8:443", "1.1.1.1:443", "[2606:4700::1111]:443", "[2a00:1450::1]:443"} {
		ip := netip.MustParseAddrPort(address).Addr()
		assert.NoError(t, g.control(network(ip), address, nil), address)
	}
}

func TestGuardPortsAndNetworks(t *testing.T) {
	t.Parallel()
	g := newGuard(false, 443, 8443)
	assert.NoError(t, g.control("tcp4", "8.8.8.8:8443", nil))
	for _, c := range [][2]string{
		{"tcp4", "8.8.8.8:80"}, {"tcp4", "8.8.8.8:22"}, {"udp4", "8.8.8.8:443"}, {"unix", "/run/docker.sock"}, {"tcp4", "x"},
	} {
		assert.ErrorIs(t, g.control(c[0], c[1], nil), ErrForbiddenAddress, "%s %s", c[0], c[1])
	}
}

func TestGuardAllowPrivateOpensLittle(t *testing.T) {
	t.Parallel()
	g := newGuard(true)
	open := []string{
		"127.0.0.1", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12:3456::1", "fc00::1", "8.8.8.8",
	}
	for _, ip := range addresses(open...) {
		assert.NoError(t, g.control(network(ip), netip.AddrPortFrom(ip, 4711).String(), nil), ip)
	}
	for _, kind := range []string{
		"unspecified", "link-local", "site-local", "metadata", "mapped", "NAT64", "6to4", "Teredo", "zone", "multicast",
	} {
		for _, ip := range addresses(forbidden[kind]...) {
			assert.ErrorIs(t, g.address(ip), ErrForbiddenAddress, "%s %s", kind, ip)
		}
	}
}

// nothingPasses fails the test when the guard lets a connection through.
func nothingPasses(t *testing.T) func(string, string) error {
	return func(network, address string) error {
		t.Errorf("the guard let %s %s through", network, address)
		return errors.New("stopped by the test")
	}
}

func TestSendToForbiddenLiterals(t *testing.T) {
	t.Parallel()
	bait := newReceiver(t, "127.0.0.1:0", nil)
	s := senderFor(t, dialHooks{admitted: nothingPasses(t)}, func(c *Config) { c.AllowPrivate = false })
	odd := []string{
		"2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "127.1", "127.0.0.01", "[::1%25eth0]", "[::ffff:127.0.0.1]",
	}
	for _, ips := range forbidden {
		for _, ip := range addresses(ips...) {
			if ip.Is4() {
				odd = append(odd, ip.String())
			} else if ip.Zone() == "" {
				odd = append(odd, "["+ip.String()+"]")
			}
		}
	}
	for _, host := range odd {
		for _, suffix := range []string{"", ":443", ":" + bait.port()} {
			response, err := s.Send(t.Context(), requestTo("https://"+host+suffix+"/hook"))
			var refused *URLError
			assert.ErrorAs(t, err, &refused, host+suffix)
			assert.Zero(t, response.Status)
		}
	}
	bait.requireUntouched(t)
}

func TestDialRefusesOddLiterals(t *testing.T) {
	t.Parallel()
	bait := newReceiver(t, "127.0.0.1:0", nil)
	strict := newGuard(false, 443, bait.uint16Port())
	dialer := newDialer(time.Second, func() *guard { return strict }, dialHooks{
		admitted: nothingPasses(t),
		resolver: newFakeDNS(t, always("127.0.0.1")),
	})
	for _, host := range []string{
		"127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "::1", "::1%lo", "::ffff:127.0.0.1", "localhost", "0", "",
	} {
		conn, err := dialer.DialContext(t.Context(), "tcp", net.JoinHostPort(host, bait.port()))
		assert.Error(t, err, host)
		assert.Nil(t, conn, host)
	}
	bait.requireUntouched(t)
}

func (r *receiver) uint16Port() uint16 { return r.listener.Addr().(*net.TCPAddr).AddrPort().Port() }

func TestSendToForbiddenDNSAnswers(t *testing.T) {
	t.Parallel()
	for kind, ips := range forbidden {
		if kind == "zone" { // DNS has none
			continue
		}
		for _, ip := range ips {
			t.Run(kind+" "+ip, func(t *testing.T) {
				t.Parallel()
				hooks := dialHooks{resolver: newFakeDNS(t, always(ip)), admitted: nothingPasses(t)}
				if netip.MustParseAddr(ip) == netip.MustParseAddr("::ffff:8.8.8.8") {
					hooks.admitted = unmapped // Go connects to 8.8.8.8, which is what the guard decides on
				}
				s := senderFor(t, hooks, func(c *Config) { c.AllowPrivate = false })
				_, err := s.Send(t.Context(), requestTo("https://rebind.example/hook"))
				assert.ErrorIs(t, err, ErrForbiddenAddress)
			})
		}
	}
}

func unmapped(network, address string) error {
	if network == "tcp4" && address == "8.8.8.8:443" {
		return ErrForbiddenAddress
	}
	return errors.New("dialled " + network + " " + address)
}

func TestSendToNameThatMovesInside(t *testing.T) {
	t.Parallel()
	bait := newReceiver(t, "127.0.0.1:0", nil)
	var public atomic.Int64
	resolver := newFakeDNS(t, func(n int) []netip.Addr {
		if n == 0 {
			return addresses("8.8.8.8")
		}
		return addresses("127.0.0.1")
	})
	s := senderFor(t, dialHooks{resolver: resolver, admitted: func(_, _ string) error {
		public.Add(1)
		return errors.New("the test has no internet")
	}}, func(c *Config) {
		c.AllowPrivate = false
		c.TrustedSites = []string{"rebind.example:" + bait.port()}
	})
	url := "https://rebind.example:" + bait.port() + "/hook"
	require.NoError(t, s.Check(url), "no name is resolved before the connection")
	_, err := s.Send(t.Context(), requestTo(url))
	require.ErrorContains(t, err, "no internet")
	for range 3 {
		_, err = s.Send(t.Context(), requestTo(url))
		require.ErrorIs(t, err, ErrForbiddenAddress)
	}
	assert.EqualValues(t, 1, public.Load())
	bait.requireUntouched(t)
}

func TestSendToNameWithBothKindsOfAddress(t *testing.T) {
	t.Parallel()
	bait := newReceiver(t, "127.0.0.1:0", nil)
	for _, ips := range [][]string{{"8.8.8.8", "127.0.0.1"}, {"127.0.0.1", "8.8.8.8"}, {"127.0.0.1", "2606:4700::1111"}} {
		var admitted []string
		s := senderFor(t, dialHooks{resolver: newFakeDNS(t, always(ips...)), admitted: func(_, address string) error {
			admitted = append(admitted, address)
			return errors.New("the test has no internet")
		}}, func(c *Config) {
			c.AllowPrivate = false
			c.TrustedSites = []string{"both.example:" + bait.port()}
		})
		_, err := s.Send(t.Context(), requestTo("https://both.example:"+bait.port()+"/"))
		require.Error(t, err)
		for _, address := range admitted {
			assert.NotContains(t, address, "127.0.0.1")
		}
	}
	bait.requireUntouched(t)
}

// Not parallel: it changes the environment.
func TestSendTakesNoProxyFromTheEnvironment(t *testing.T) {
	proxy := newReceiver(t, "127.0.0.1:0", func(conn net.Conn) { write(conn, "HTTP/1.1 200 OK\r\n\r\n") })
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://"+proxy.listener.Addr().String())
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	s := senderFor(t, dialHooks{resolver: newFakeDNS(t, always("10.0.0.1")), admitted: nothingPasses(t)}, func(c *Config) {
		c.AllowPrivate = false
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := s.Send(ctx, requestTo("https://inside.example/hook"))
	require.ErrorIs(t, err, ErrForbiddenAddress)

	// Here the guard would let the proxy pass. By name, because such variables do not hold for 127.0.0.1.
	server, seen := capture(t, http.StatusOK, nil)
	open := senderFor(t, dialHooks{resolver: newFakeDNS(t, always("127.0.0.1"))}, nil)
	_, err = open.Send(ctx, requestTo(strings.Replace(server.URL, "127.0.0.1", "inside.example", 1)))
	require.NoError(t, err)
	assert.Len(t, seen, 1, "it came directly")
	proxy.requireUntouched(t)
}
