package callback

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// fakeDNS answers every question for an address of the given kind with what answers returns; n counts the lookups of
// its kind from 0.
type fakeDNS struct {
	conn    net.PacketConn
	mu      sync.Mutex
	lookups map[dnsmessage.Type]int
	answers func(n int) []netip.Addr
}

// newFakeDNS returns a resolver that asks a DNS server on loopback.
func newFakeDNS(t *testing.T, answers func(n int) []netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", "127.0.0.1:0")
	require.NoError(t, err)
	d := &fakeDNS{conn: conn, lookups: map[dnsmessage.Type]int{}, answers: answers}
	var running sync.WaitGroup
	running.Go(d.serve)
	t.Cleanup(func() {
		_ = conn.Close()
		running.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (d *fakeDNS) serve() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := d.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if query.Unpack(buffer[:n]) != nil || len(query.Questions) != 1 {
			continue
		}
		if packed, err := d.reply(query); err == nil {
			_, _ = d.conn.WriteTo(packed, from)
		}
	}
}

func (d *fakeDNS) reply(query dnsmessage.Message) ([]byte, error) {
	question := query.Questions[0]
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, RecursionAvailable: true},
		Questions: query.Questions,
	}
	d.mu.Lock()
	n := d.lookups[question.Type]
	d.lookups[question.Type]++
	d.mu.Unlock()
	for _, ip := range d.answers(n) {
		header := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, Type: question.Type}
		switch {
		case question.Type == dnsmessage.TypeA && ip.Is4():
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: ip.As4()}})
		case question.Type == dnsmessage.TypeAAAA && ip.Is6():
			body := &dnsmessage.AAAAResource{AAAA: ip.As16()}
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: body})
		}
	}
	return reply.Pack()
}

// always answers with the same addresses.
func always(ips ...string) func(int) []netip.Addr {
	return func(int) []netip.Addr { return addresses(ips...) }
}

func addresses(ips ...string) []netip.Addr {
	var all []netip.Addr
	for _, ip := range ips {
		all = append(all, netip.MustParseAddr(ip))
	}
	return all
}
