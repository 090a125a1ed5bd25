package callback

import (
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inside is a TLS receiver on loopback, whose certificate is for example.com, and a Sender that knows it.
func inside(t *testing.T, edit func(*Config)) (*httptest.Server, *Sender) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	s := senderFor(t, dialHooks{admitted: nothingPasses(t), resolver: newFakeDNS(t, always("127.0.0.1"))}, func(c *Config) {
		c.AllowPrivate = false
		c.RootCAs = x509.NewCertPool()
		c.RootCAs.AddCert(server.Certificate())
		c.Addresses = map[string]netip.AddrPort{"Example.COM.": addressOf(server)}
		if edit != nil {
			edit(c)
		}
	})
	return server, s
}

func addressOf(server *httptest.Server) netip.AddrPort {
	return server.Listener.Addr().(*net.TCPAddr).AddrPort()
}

func TestAddressesLeadInside(t *testing.T) {
	t.Parallel()
	_, s := inside(t, func(c *Config) { c.TrustedSites = []string{"partner.example"} })
	for _, url := range []string{"https://example.com/hook", "https://EXAMPLE.com.:443/"} {
		require.NoError(t, s.Check(url), "trusted by itself")
		response, err := s.Send(t.Context(), requestTo(url))
		require.NoError(t, err, url)
		assert.Equal(t, http.StatusNoContent, response.Status)
	}
}

func TestAddressesOpenNothingElse(t *testing.T) {
	t.Parallel()
	server, s := inside(t, nil)
	for _, url := range []string{
		server.URL, "http://example.com/", "http://example.com:443/", "https://example.com:8443/", "https://127.0.0.1/",
	} {
		var refused *URLError
		assert.ErrorAs(t, s.Check(url), &refused, url)
	}
	for _, url := range []string{"https://sub.example.com/", "https://other.example/", "https://localhost/"} {
		_, err := s.Send(t.Context(), requestTo(url))
		assert.ErrorIs(t, err, ErrForbiddenAddress, url)
	}
}

func TestAddressesAskForTheCertificate(t *testing.T) {
	t.Parallel()
	_, s := inside(t, func(c *Config) {
		c.Addresses["other.test:8443"] = c.Addresses["Example.COM."]
	})
	_, err := s.Send(t.Context(), requestTo("https://other.test:8443/hook"))
	require.ErrorContains(t, err, "certificate")
}

func TestAddressesFaults(t *testing.T) {
	t.Parallel()
	good := netip.MustParseAddrPort("127.0.0.1:8443")
	for text, address := range map[string]netip.AddrPort{
		"": good, "https://a.example": good, "127.0.0.1": good, "[::1]:443": good, "a.example:0": good,
		"a.example": {}, "b.example": netip.MustParseAddrPort("127.0.0.1:0"),
	} {
		cfg := &Config{Addresses: map[string]netip.AddrPort{text: address}}
		assert.ErrorContains(t, cfg.Validate(), "Addresses[", text)
		_, err := NewSender(cfg)
		assert.Error(t, err, text)
	}
}
