package callback

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Defaults and limits of Config.
const (
	DefaultTimeout          = 10 * time.Second
	DefaultMaxResponseBytes = 64 << 10
	LimitMaxResponseBytes   = 1 << 20
	DefaultConcurrency      = 500
	DefaultHostConcurrency  = 32
	DefaultUserAgent        = "Redrive/1 (+https://github.com/redrive-go/redrive)"
)

// Config configures a Sender. A nil *Config and zero fields mean the defaults.
type Config struct {
	// Secrets sign the callbacks, each "whsec_" and the base64 of 24 to 64 random bytes. Every secret adds a signature, the
	// first one's in front: during a rotation put the new secret first and keep the old one until all receivers know the
	// new one. Defaults to none: callbacks are not signed.
	Secrets []string

	// TrustedSites are where callbacks may go. "example.com" is that host and all its subdomains, on port 443;
	// "example.com:8443" is the same on port 8443 alone. An IP address is itself only. Case and a trailing dot do not
	// matter, and a name may be given in Unicode or in Punycode. Defaults to none: every host on port 443.
	TrustedSites []string

	// Sites are what holds for some sites in place of the fields of the same name. The key is as in TrustedSites, and is
	// trusted in addition to those; where several cover a host, the longest one counts. Defaults to none.
	Sites map[string]Site

	// AllowPrivate allows loopback, private, unique local and shared (CGNAT) addresses, any port where the trusted
	// site names none, and plain http. It is for trying out and for tests: it lets clients reach what this process
	// reaches. The addresses of clouds' metadata services stay refused. Defaults to false.
	AllowPrivate bool

	// Addresses are the true addresses of receivers that the host knows itself, such as one within its own process. The
	// key is "host" (on port 443) or "host:port", a name and no address. Callbacks to exactly that host and port are
	// allowed, and connect to the address of the value, be it private or not, without a look into the DNS. They stay
	// https, with a certificate for the host's name. No other host is affected, not even a subdomain. Defaults to none.
	Addresses map[string]netip.AddrPort

	// Timeout is how long a whole attempt may take, from resolving the name to the end of the answer. Defaults to 10 s.
	Timeout time.Duration

	// MaxResponseBytes is how much of an answer's body is read so that its connection can be used again, at most 1 MiB.
	// A longer answer costs its connection, nothing else. Only the first MaxResponseBody bytes are kept. Defaults to 64 KiB.
	MaxResponseBytes int64

	// Concurrency is how many callers Send has at once, whose places are shared out between the hosts: a host that is quick
	// may have as many as are free, one that takes longer than a second, or has not answered yet, an eighth of that; and a
	// quarter of all is kept for quick ones. Send returns a *BusyError to the others. A Service sets it to its
	// CallbackConcurrency. Defaults to 500.
	Concurrency int

	// HostConcurrency is how many callbacks may be on their way to one host and port at once, at most, from this process.
	// As many of its connections are kept when they are idle. Defaults to 32.
	HostConcurrency int

	// UserAgent is the User-Agent header. Defaults to one that names this library.
	UserAgent string

	// RootCAs are the authorities that a receiver's certificate must come from. Defaults to the system's.
	RootCAs *x509.CertPool

	// ClientCertificate returns the certificate that is shown to receivers that ask for one, as tls.Config's
	// GetClientCertificate does. It is called for every connection, so a certificate can be replaced. Defaults to none.
	ClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// Proxy, when not nil, is the HTTP proxy (http or https) that all callbacks go through, but for those to
	// Addresses. It resolves the receivers' names, and so it has to keep callbacks from private addresses: here only URLs are
	// looked at. Defaults to none: what the environment says of proxies does not count.
	Proxy *url.URL

	// Logger hears at start of settings that are unsafe in production. Defaults to slog.Default().
	Logger *slog.Logger
}

// Validate returns every fault, joined, each naming its field and limit, never a secret. A nil Config has none.
func (c *Config) Validate() error {
	if c == nil {
		return nil
	}
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	for i, secret := range c.Secrets {
		_, err := decodeSecret(secret)
		check(err == nil, "Secrets[%d] %w", i, err)
	}
	for i, text := range c.TrustedSites {
		_, err := parseSite(text)
		check(err == nil, "TrustedSites[%d] %q %w", i, text, err)
	}
	checkSites(c.Sites, check)
	for text, address := range c.Addresses {
		_, err := parseRoute(text, address)
		check(err == nil, "Addresses[%q] %w", text, err)
	}
	if c.Proxy != nil {
		_, err := newProxy(c.Proxy, nil)
		check(err == nil, "Proxy %w", err)
	}
	check(c.Timeout >= 0, "Timeout must not be negative, but is %s", c.Timeout)
	check(c.MaxResponseBytes >= 0 && c.MaxResponseBytes <= LimitMaxResponseBytes,
		"MaxResponseBytes must be 0 to %d, not %d", LimitMaxResponseBytes, c.MaxResponseBytes)
	check(c.Concurrency >= 0, "Concurrency must not be negative, but is %d", c.Concurrency)
	check(c.HostConcurrency >= 0, "HostConcurrency must not be negative, but is %d", c.HostConcurrency)
	check(!strings.ContainsFunc(c.UserAgent, notPrintable), "UserAgent must be printable ASCII")
	return errors.Join(faults...)
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }

func (c *Config) withDefaults() Config {
	var d Config
	if c != nil {
		d = *c
	}
	if d.Timeout == 0 {
		d.Timeout = DefaultTimeout
	}
	if d.MaxResponseBytes == 0 {
		d.MaxResponseBytes = DefaultMaxResponseBytes
	}
	if d.Concurrency == 0 {
		d.Concurrency = DefaultConcurrency
	}
	if d.HostConcurrency == 0 {
		d.HostConcurrency = DefaultHostConcurrency
	}
	if d.UserAgent == "" {
		d.UserAgent = DefaultUserAgent
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return d
}
