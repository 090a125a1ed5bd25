package callback

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxURLLength is the longest callback URL, in bytes.
const MaxURLLength = 2048

// maxNameLength is the longest host name in ASCII, without a trailing dot.
const maxNameLength = 253

// target is where a callback goes: a URL whose host is in the one form that is both judged and dialled.
type target struct {
	url  *url.URL
	host string
	// ip is the host where it is an address, otherwise invalid.
	ip   netip.Addr
	port uint16
}

// address is the host and port that are dialled.
func (t *target) address() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// parseTarget reads an absolute http or https URL. Errors are *URLError.
func parseTarget(raw string) (target, error) {
	if len(raw) > MaxURLLength {
		return target{}, &URLError{Reason: "must be at most " + strconv.Itoa(MaxURLLength) + " bytes long"}
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil: // its text quotes the URL
		return target{}, &URLError{Reason: "must be a valid URL"}
	case u.Scheme != "https" && u.Scheme != "http":
		return target{}, &URLError{Reason: "must be an https URL"}
	case u.Opaque != "" || u.Hostname() == "":
		return target{}, &URLError{Reason: "must be absolute, with a host"}
	case u.User != nil:
		return target{}, &URLError{Reason: "must not contain a user"}
	}
	t := target{url: u}
	if t.host, t.ip, err = parseHost(u.Hostname()); err != nil {
		return target{}, err
	}
	if t.port, err = parsePort(u); err != nil {
		return target{}, err
	}
	t.canonicalise()
	return t, nil
}

// canonicalise makes net/http dial what was judged, and drops the fragment, which is not sent anyway.
func (t *target) canonicalise() {
	t.url.Host = t.host
	if t.ip.Is6() {
		t.url.Host = "[" + t.host + "]"
	}
	if t.port != defaultPort(t.url.Scheme) {
		t.url.Host = net.JoinHostPort(t.host, strconv.Itoa(int(t.port)))
	}
	t.url.Fragment, t.url.RawFragment = "", ""
}

func defaultPort(scheme string) uint16 {
	if scheme == "http" {
		return 80
	}
	return 443
}

func parsePort(u *url.URL) (uint16, error) {
	text := u.Port()
	if text == "" {
		return defaultPort(u.Scheme), nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, &URLError{Reason: "must have a port of 1 to 65535"}
	}
	return uint16(port), nil
}

// parseHost returns a host in its canonical form: an address, or a lower-case ASCII name without a trailing dot. What
// resolvers of some systems take for an address though it is not written like one (2130706433, 0x7f.1, 0177.0.0.1,
// 127.1), zones and mapped addresses are refused.
func parseHost(host string) (string, netip.Addr, error) {
	if strings.Contains(host, ":") {
		ip, err := netip.ParseAddr(host)
		if err != nil || ip.Zone() != "" || ip.Is4In6() {
			return "", netip.Addr{}, &URLError{Reason: "must have a plain IPv6 address or a host name"}
		}
		return ip.String(), ip, nil
	}
	name, err := asciiName(host)
	if err != nil {
		return "", netip.Addr{}, err
	}
	if !endsInNumber(name) {
		return name, netip.Addr{}, nil
	}
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return "", netip.Addr{}, &URLError{Reason: "must have a plain IPv4 address or a host name"}
	}
	return ip.String(), ip, nil
}

// asciiName returns a host name in lower-case ASCII. Like net/http it maps names that are not ASCII with IDNA's lookup
// rules; those also turn full-width digits and dots into plain ones, so addresses are looked for afterwards.
func asciiName(host string) (string, error) {
	// Punycode takes at least a byte for each character, and its encoder a time that grows with the square of them.
	if utf8.RuneCountInString(host) > maxNameLength+1 {
		return "", &URLError{Reason: "must have a valid host name"}
	}
	name := strings.ToLower(host)
	if strings.ContainsFunc(host, func(r rune) bool { return r > '~' }) {
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return "", &URLError{Reason: "must have a valid host name"}
		}
		name = ascii
	}
	name = strings.TrimSuffix(name, ".")
	if len(name) > maxNameLength {
		return "", &URLError{Reason: "must have a valid host name"}
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, notInLabel) {
			return "", &URLError{Reason: "must have a valid host name"}
		}
	}
	return name, nil
}

// notInLabel leaves the underscore in: it is no part of host names, and yet there are some.
func notInLabel(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// endsInNumber is whether the last label is a decimal or hexadecimal number, by which browsers tell an IPv4 address
// from a name: https://url.spec.whatwg.org/#ends-in-a-number-checker
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	digits, hex := strings.CutPrefix(last, "0x")
	return hex && strings.Trim(digits, "0123456789abcdef") == ""
}
