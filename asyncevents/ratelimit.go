package asyncevents

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// DefaultMaxClients is the default of RateLimit.MaxClients.
const DefaultMaxClients = 10_000

// RateLimit bounds how many events each client of Handler may hand in. More are answered with 429 and the Retry-After after which
// there is room again. Status requests are not counted.
type RateLimit struct {
	// EventsPerSecond is how many events a client may hand in per second in the long run. It has to be set.
	EventsPerSecond float64
	// Burst is how many events a client that was quiet may hand in at once. A batch passes as soon as one event would and counts
	// as many as it has, so that it may take a client up to MaxBatch below. Defaults to EventsPerSecond, rounded up.
	Burst int
	// Client names the client of a request, which Config.Authenticate has let pass. It must not block, and what it reads must not
	// be the client's to choose: an X-Forwarded-For only where a proxy of the host's sets it. Defaults to the name that
	// Config.Authenticate gave, and where there is none to the remote IP address, of IPv6 its /64 network, of which a host has all
	// addresses.
	Client func(*http.Request) string
	// MaxClients is how many clients are remembered; beyond them, the one that was not seen for the longest time is forgotten, and
	// counts as quiet. Defaults to DefaultMaxClients.
	MaxClients int
}

func (l *RateLimit) withDefaults() RateLimit {
	d := *l
	if d.Burst == 0 {
		d.Burst = int(math.Ceil(min(d.EventsPerSecond, math.MaxInt32)))
	}
	if d.MaxClients == 0 {
		d.MaxClients = DefaultMaxClients
	}
	return d
}

func (l *RateLimit) validate() error {
	if l == nil {
		return nil
	}
	var faults []error
	if l.EventsPerSecond <= 0 || math.IsNaN(l.EventsPerSecond) || math.IsInf(l.EventsPerSecond, 0) {
		faults = append(faults, fmt.Errorf("RateLimit.EventsPerSecond must be a positive number, not %g", l.EventsPerSecond))
	}
	if l.Burst < 0 {
		faults = append(faults, fmt.Errorf("RateLimit.Burst must not be negative, not %d", l.Burst))
	}
	if l.MaxClients < 0 {
		faults = append(faults, fmt.Errorf("RateLimit.MaxClients must not be negative, not %d", l.MaxClients))
	}
	return errors.Join(faults...)
}

// remoteNetwork is whom a connection belongs to.
func remoteNetwork(r *http.Request) string {
	const bitsOfHost = 64
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if addr = addr.Unmap(); addr.Is4() {
		return addr.String()
	}
	network, err := addr.WithZone("").Prefix(bitsOfHost)
	if err != nil {
		return host
	}
	return network.String()
}

// rateLimiter holds clients to a RateLimit. Its nil lets everybody pass.
type rateLimiter struct {
	limit RateLimit

	mu      sync.Mutex
	clients *simplelru.LRU[string, *rate.Limiter]
}

func newRateLimiter(limit *RateLimit) (*rateLimiter, error) {
	if limit == nil {
		return nil, nil
	}
	l := &rateLimiter{limit: limit.withDefaults()}
	var err error
	l.clients, err = simplelru.NewLRU[string, *rate.Limiter](l.limit.MaxClients, nil)
	return l, err
}

// nameOf is by which name a client counts that the authenticator called client.
func (l *RateLimit) nameOf(r *http.Request, client string) string {
	switch {
	case l.Client != nil:
		return l.Client(r)
	case client != "":
		return client
	}
	return remoteNetwork(r)
}

// take counts n events of a client, or returns the problem that not even one has room. With none it only looks.
func (l *rateLimiter) take(r *http.Request, client string, n int) *Problem {
	if l == nil {
		return nil
	}
	name, now := l.limit.nameOf(r, client), time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	tokens, known := l.clients.Get(name)
	if !known {
		tokens = rate.NewLimiter(rate.Limit(l.limit.EventsPerSecond), l.limit.Burst)
		l.clients.Add(name, tokens)
	}
	if missing := 1 - tokens.TokensAt(now); missing > 0 {
		seconds := missing / l.limit.EventsPerSecond
		return newTooManyRequestsProblem(time.Duration(min(math.Ceil(seconds), maxRetryAfter.Seconds())) * time.Second)
	}
	for ; n > 0; n -= l.limit.Burst { // no more than a burst can be reserved at once
		tokens.ReserveN(now, min(n, l.limit.Burst))
	}
	return nil
}

// maxRetryAfter is the longest Retry-After: who comes back earlier than there is room is told again.
const maxRetryAfter = time.Hour
