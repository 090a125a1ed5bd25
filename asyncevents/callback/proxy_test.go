package callback

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tunnel is a proxy that leads every CONNECT to one server.
func tunnel(t *testing.T, to string, asked chan<- string) *url.URL {
	t.Helper()
	var copying sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		copying.Add(1) // before the connection is taken from the server, which waits for no other
		defer copying.Done()
		asked <- r.Method + " " + r.Host
		behind, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", to)
		if !assert.NoError(t, err) {
			return
		}
		front, _, err := w.(http.Hijacker).Hijack()
		if !assert.NoError(t, err) {
			return
		}
		_, _ = io.WriteString(front, "HTTP/1.1 200 OK\r\n\r\n")
		for _, pair := range [][2]net.Conn{{front, behind}, {behind, front}} {
			copying.Go(func() {
				_, _ = io.Copy(pair[0], pair[1])
				_ = pair[0].Close()
			})
		}
	}))
	t.Cleanup(func() { server.Close(); copying.Wait() })
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return u
}

func TestSendThroughTheProxyThatIsConfigured(t *testing.T) {
	t.Parallel()
	server, _ := inside(t, nil)
	asked := make(chan string, 9)
	s := senderFor(t, dialHooks{admitted: nothingPasses(t), resolver: newFakeDNS(t, always("127.0.0.1"))}, func(c *Config) {
		c.AllowPrivate, c.RootCAs = false, rootsOf(server)
		c.Proxy = tunnel(t, server.Listener.Addr().String(), asked)
		c.Addresses = map[string]netip.AddrPort{"direct.example.com": addressOf(server)}
	})
	response, err := s.Send(t.Context(), requestTo("https://example.com/hook"))
	require.NoError(t, err)
	assert.Equal(t, http.StatusNoContent, response.Status)
	assert.Equal(t, "CONNECT example.com:443", <-asked)
	for _, literal := range []string{"https://127.0.0.1/", "https://169.254.169.254/", "https://2130706433/"} {
		_, err := s.Send(t.Context(), requestTo(literal))
		var refused *URLError
		require.ErrorAs(t, err, &refused, "URLs are looked at all the same")
	}
	_, _ = s.Send(t.Context(), requestTo("https://direct.example.com/"))
	assert.Empty(t, asked, "what has an address of its own goes there directly")
}

func TestProxyFaults(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"socks5://proxy:1080", "proxy:3128", "http://", "http://proxy:0", "http://127.1:3128", "http://user:hunter2@a..b"} {
		u, err := url.Parse(text)
		require.NoError(t, err)
		_, err = NewSender(&Config{Proxy: u})
		require.ErrorContains(t, err, "Proxy must", text)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

// secure is a TLS receiver that counts its connections.
func secure(t *testing.T, edit func(*httptest.Server), answer http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var conns atomic.Int64
	server := httptest.NewUnstartedServer(answer)
	server.Config.ErrorLog = quiet()
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	edit(server)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, &conns
}

func TestSendSharesOneHTTP2Connection(t *testing.T) {
	t.Parallel()
	server, conns := secure(t, func(s *httptest.Server) { s.EnableHTTP2 = true }, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	})
	s := senderFor(t, dialHooks{}, func(c *Config) { c.RootCAs = rootsOf(server) })
	send := func() {
		response, err := s.Send(t.Context(), requestTo(server.URL))
		assert.NoError(t, err)
		assert.Equal(t, "HTTP/2.0", response.Body)
	}
	send()
	var sending sync.WaitGroup
	for range 20 {
		sending.Go(func() {
			for range 10 {
				send()
			}
		})
	}
	sending.Wait()
	assert.EqualValues(t, 1, conns.Load(), "for 201 callbacks")
}

func TestSendShowsItsCertificate(t *testing.T) {
	t.Parallel()
	server, _ := secure(t, func(s *httptest.Server) { s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert} },
		func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(r.TLS.PeerCertificates[0].Issuer.Organization[0]))
		})
	without := senderFor(t, dialHooks{}, func(c *Config) { c.RootCAs = rootsOf(server) })
	_, err := without.Send(t.Context(), requestTo(server.URL))
	require.Error(t, err)
	with := senderFor(t, dialHooks{}, func(c *Config) {
		c.RootCAs = rootsOf(server)
		c.ClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &server.TLS.Certificates[0], nil }
	})
	response, err := with.Send(t.Context(), requestTo(server.URL))
	require.NoError(t, err)
	assert.Equal(t, "Acme Co", response.Body)
}

func TestSendNeedsTLS12(t *testing.T) {
	t.Parallel()
	for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		server, _ := secure(t, func(s *httptest.Server) { s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version} },
			func(http.ResponseWriter, *http.Request) {})
		s := senderFor(t, dialHooks{}, func(c *Config) { c.RootCAs = rootsOf(server) })
		_, err := s.Send(t.Context(), requestTo(server.URL))
		assert.Equal(t, ok, err == nil, "%s: %v", tls.VersionName(version), err)
	}
}
