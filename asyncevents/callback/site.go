package callback

import (
	"cmp"
	"fmt"
	"math"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Site is what holds for callbacks to one trusted site. Zero fields mean what holds for all.
type Site struct {
	// Secrets sign the callbacks in place of Config.Secrets.
	Secrets []string

	// Headers are added to every callback to the site, such as Authorization. They are kept nowhere and shown to nobody, and
	// hidden where a receiver sends them back. Names that Send sets itself or that belong to the connection are faults.
	Headers map[string]string

	// Rate is how many callbacks a second go to the site at most, evenly, from this process. Others wait their turn, which
	// is no attempt. Defaults to no limit.
	Rate float64

	// Timeout is how long an attempt may take, in place of Config.Timeout.
	Timeout time.Duration

	// Concurrency is how many callbacks may be on their way to one host of the site at once, in place of
	// Config.HostConcurrency.
	Concurrency int
}

// LimitRate is the highest Site.Rate.
const LimitRate = 1e6

// check tells check every fault of the site.
func (s *Site) check(check func(ok bool, format string, args ...any)) {
	for i, secret := range s.Secrets {
		_, err := decodeSecret(secret)
		check(err == nil, "Secrets[%d] %w", i, err)
	}
	for name, value := range s.Headers {
		check(httpguts.ValidHeaderFieldName(name), "Headers has an invalid name: %q", name)
		check(!isSendsOwn(name), "Headers[%q] is reserved", name)
		check(httpguts.ValidHeaderFieldValue(value), "Headers[%q] must be a valid header value", name)
	}
	check(s.Rate >= 0 && s.Rate <= LimitRate && !math.IsNaN(s.Rate), "Rate must be 0 to %g, not %g", float64(LimitRate), s.Rate)
	check(s.Timeout >= 0, "Timeout must not be negative, but is %s", s.Timeout)
	check(s.Concurrency >= 0, "Concurrency must not be negative, but is %d", s.Concurrency)
}

// terms are what holds for callbacks to a target.
type terms struct {
	signer      *signer
	headers     map[string]string
	hidden      []string
	timeout     time.Duration
	concurrency int
	pace        *pace
}

// usualTerms are those of hosts that no Site is about.
func usualTerms(c *Config) (terms, error) {
	signer, err := newSigner(c.Secrets)
	return terms{signer: signer, timeout: c.Timeout, concurrency: c.HostConcurrency}, err
}

// with returns the terms as a Site changes them.
func (t terms) with(s Site) (terms, error) {
	t.timeout = cmp.Or(s.Timeout, t.timeout)
	t.concurrency = cmp.Or(s.Concurrency, t.concurrency)
	if s.Rate > 0 {
		t.pace = &pace{each: time.Duration(float64(time.Second) / s.Rate)}
	}
	t.headers = make(map[string]string, len(s.Headers))
	for name, value := range s.Headers {
		t.headers[textproto.CanonicalMIMEHeaderKey(name)] = value
		t.hidden = append(t.hidden, telling(value)...)
	}
	var err error
	if len(s.Secrets) > 0 {
		t.signer, err = newSigner(s.Secrets)
	}
	return t, err
}

// telling are the parts of a header's value that are long enough to be a secret, the longest first.
func telling(value string) []string {
	parts := strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == ',' || r == ';' })
	parts = slices.DeleteFunc(parts, func(part string) bool { return len(part) < 8 })
	slices.SortFunc(parts, func(a, b string) int { return len(b) - len(a) })
	return parts
}

// rules are what a Reload replaces: where callbacks may go, and on which terms.
type rules struct {
	*perimeter
	usual terms
	sites []ruledSite
}

// ruledSite is a site with terms of its own.
type ruledSite struct {
	site
	terms terms
}

// newRules reads a Config that is valid and has its defaults.
func newRules(c *Config) (*rules, error) {
	border, err := newPerimeter(c)
	if err != nil {
		return nil, err
	}
	r := &rules{perimeter: border}
	if r.usual, err = usualTerms(c); err != nil {
		return nil, err
	}
	for text, own := range c.Sites {
		s, err := parseSite(text)
		if err != nil {
			return nil, err
		}
		terms, err := r.usual.with(own)
		if err != nil {
			return nil, err
		}
		r.sites = append(r.sites, ruledSite{s, terms})
	}
	slices.SortFunc(r.sites, func(a, b ruledSite) int {
		return cmp.Or(cmp.Compare(len(b.host), len(a.host)), cmp.Compare(b.port, a.port))
	})
	return r, nil
}

// termsFor returns what holds for a target that was admitted: the terms of the site with the longest name that covers it.
func (r *rules) termsFor(t target) terms {
	for _, s := range r.sites {
		if s.covers(t) && r.allowsPort(s.site, t.port) {
			return s.terms
		}
	}
	return r.usual
}

// checkSites tells check every fault of Config.Sites.
func checkSites(sites map[string]Site, check func(ok bool, format string, args ...any)) {
	seen := make(map[site]string, len(sites))
	for text, s := range sites {
		parsed, err := parseSite(text)
		if err != nil {
			check(false, "Sites[%q] %w", text, err)
			continue
		}
		if other, twice := seen[parsed]; twice {
			check(false, "Sites[%q] is the same as Sites[%q]", max(text, other), min(text, other))
		}
		seen[parsed] = text
		s.check(func(ok bool, format string, args ...any) {
			check(ok, "Sites[%q]: %w", text, fmt.Errorf(format, args...))
		})
	}
}

// longestTimeout is the longest that an attempt may take anywhere.
func (c *Config) longestTimeout() time.Duration {
	longest := c.Timeout
	for _, s := range c.Sites {
		longest = max(longest, s.Timeout)
	}
	return longest
}
