package callback

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redrive-go/redrive/retry"
)

const (
	maxHeaderBytes    = 64 << 10
	maxIdle           = 1000
	idleTimeout       = 90 * time.Second
	http2StreamBuffer = 64 << 10
	http2ConnBuffer   = 512 << 10
	http2PingAfter    = 15 * time.Second
	http2PingTimeout  = 5 * time.Second
)

// Sender sends callbacks, one attempt at a time. It may be used from any number of goroutines.
type Sender struct {
	cfg       Config
	rules     atomic.Pointer[rules]
	hosts     *hosts
	transport *http.Transport
}

// NewSender returns a Sender, or every fault of cfg. A nil cfg means the defaults: every https host with a public
// address, unsigned.
func NewSender(cfg *Config) (*Sender, error) {
	return newSender(cfg, dialHooks{})
}

// dialHooks replace parts of the dialer in tests, so that they can answer for the DNS and see what passes the guard.
type dialHooks struct {
	resolver *net.Resolver
	// admitted decides after the guard has let an address through; nil for nothing more to decide.
	admitted func(network, address string) error
}

func newSender(cfg *Config, hooks dialHooks) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("callback: config: %w", err)
	}
	s := &Sender{cfg: cfg.withDefaults()}
	rules, err := newRules(&s.cfg)
	if err != nil {
		return nil, fmt.Errorf("callback: config: %w", err)
	}
	s.rules.Store(rules)
	s.hosts = newHosts(s.cfg.Concurrency)
	guarded := newDialer(s.cfg.longestTimeout(), func() *guard { return s.rules.Load().guard }, hooks)
	if s.transport, err = newTransport(&s.cfg, rules.routes, guarded); err != nil {
		return nil, fmt.Errorf("callback: config: %w", err)
	}
	if s.cfg.AllowPrivate {
		s.cfg.Logger.Warn("Callbacks may go to private addresses and over plain http: for trying out only")
	}
	return s, nil
}

// newDialer returns a dialer that asks the guard of the moment.
func newDialer(timeout time.Duration, guard func() *guard, hooks dialHooks) *net.Dialer {
	return &net.Dialer{
		// net/http lets a dial go on when its request has ended, in case another can use it. This ends it, too.
		Timeout:  timeout,
		Resolver: hooks.resolver,
		Control: func(network, address string, conn syscall.RawConn) error {
			if err := guard().control(network, address, conn); err != nil || hooks.admitted == nil {
				return err
			}
			return hooks.admitted(network, address)
		},
	}
}

// newTransport returns a transport that connects along the routes, to the proxy that is configured, and through the guarded
// dialer. No proxy is taken from the environment: the guard would see its address instead of the receiver's. The receive
// buffers of HTTP/2 are small because they bound what a receiver can make us hold; net/http's own are 4 MiB a request.
func newTransport(c *Config, routes routes, guarded *net.Dialer) (*http.Transport, error) {
	proxy, err := newProxy(c.Proxy, routes)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:       proxy.of,
		DialContext: proxy.dial(guarded),
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs, GetClientCertificate: c.ClientCertificate,
		},
		TLSHandshakeTimeout:    guarded.Timeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    c.HostConcurrency,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream:     http2StreamBuffer,
			MaxReceiveBufferPerConnection: http2ConnBuffer,
			SendPingTimeout:               http2PingAfter,
			PingTimeout:                   http2PingTimeout,
		},
	}, nil
}

// Check returns a *URLError when callbacks may not go to this URL: it is not an absolute https URL of at most MaxURLLength
// bytes, has a user, is not on a trusted site, names a port that is not allowed or an address that is not public. It
// resolves no name: what a name leads to is decided again whenever a callback connects.
func (s *Sender) Check(rawURL string) error {
	_, err := s.rules.Load().admit(rawURL)
	return err
}

// Send posts the callback once and returns what the receiver answered. The error is nil for a 2xx alone. Otherwise it is
// or wraps a *StatusError for another status, redirects included; a *URLError for a URL that Check refuses;
// a *BusyError when it is not the time to call the host; ErrForbiddenAddress; ErrTimeout; ErrReservedHeader; ctx's error
// when that has ended; or what the network said. It holds neither secrets nor the URL. Where the receiver sent a Retry-After, the error is marked with retry.After, and with
// retry.Permanent where it answered 410 Gone.
func (s *Sender) Send(ctx context.Context, request Request) (Response, error) {
	started := time.Now()
	response, err := s.attempt(ctx, request)
	response.Duration = time.Since(started)
	if err != nil {
		err = fmt.Errorf("callback: send %s: %w", request.ID, err)
	}
	return response, err
}

func (s *Sender) attempt(ctx context.Context, request Request) (Response, error) {
	rules := s.rules.Load()
	t, err := rules.admit(request.URL)
	if err != nil {
		return Response{}, err
	}
	terms := rules.termsFor(t)
	to, err := s.hosts.enter(ctx, t.address(), terms.concurrency)
	if err != nil {
		return Response{}, err
	}
	if err := terms.pace.wait(ctx); err != nil {
		s.hosts.leave(to)
		return Response{}, err
	}
	started := time.Now()
	response, err := s.post(ctx, request, t, &terms)
	switch spared, back := s.hosts.tell(to, time.Since(started), failing(response, err)); {
	case spared:
		s.cfg.Logger.WarnContext(ctx, "a callback host fails and is spared", "host", t.address(), "failures", failuresToSpare)
	case back:
		s.cfg.Logger.InfoContext(ctx, "a callback host is back", "host", t.address())
	}
	return response, err
}

// failing is whether an attempt says that its host is in trouble: it did not answer, or said so.
func failing(response Response, err error) bool {
	return err != nil && !errors.Is(err, context.Canceled) && !retry.IsPermanent(err) &&
		(response.Status == 0 || response.Status >= 500 || response.Status == http.StatusTooManyRequests)
}

// post makes the attempt.
func (s *Sender) post(ctx context.Context, request Request, t target, terms *terms) (Response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, terms.timeout, fmt.Errorf("%w: none within %s", ErrTimeout, terms.timeout))
	defer cancel()
	outgoing, err := s.build(ctx, request, t, terms, time.Now())
	if err != nil {
		return Response{}, err
	}
	// Not through an http.Client: a transport follows no redirect, keeps no cookie and puts no URL into its errors.
	answer, err := s.transport.RoundTrip(outgoing)
	if err != nil {
		return Response{}, failure(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }()
	response := Response{Status: answer.StatusCode}
	// The body of a 101 is the bare connection, which ctx does not end.
	if answer.StatusCode != http.StatusSwitchingProtocols {
		response.Body = readBody(answer.Body, s.cfg.MaxResponseBytes, terms.hidden)
	}
	return response, judge(answer)
}

// judge returns the error that an answer stands for, nil for a 2xx.
func judge(answer *http.Response) error {
	if answer.StatusCode >= 200 && answer.StatusCode <= 299 {
		return nil
	}
	err := &StatusError{Status: answer.StatusCode}
	if answer.StatusCode == http.StatusGone { // Standard Webhooks: it will not be there again
		return retry.Permanent(err)
	}
	if wait := parseRetryAfter(answer.Header.Get("Retry-After"), time.Now()); wait > 0 {
		return retry.After(wait, err)
	}
	return err
}

// Close closes the connections that are idle. Call it after the last Send has returned; twice is fine.
func (s *Sender) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}
