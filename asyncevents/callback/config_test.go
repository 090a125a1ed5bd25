package callback

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigValidateNamesEveryFault(t *testing.T) {
	t.Parallel()
	const shortSecret = "whsec_c2VjcmV0"
	err := (&Config{
		Secrets:          []string{secretOne, shortSecret, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%"},
		TrustedSites:     []string{"example.com", "https://example.com", "", "*.example.com", "example.com:0", "127.1"},
		Timeout:          -time.Second,
		MaxResponseBytes: LimitMaxResponseBytes + 1,
		Concurrency:      -1,
		HostConcurrency:  -2,
		Proxy:            &url.URL{Scheme: "socks5", Host: "proxy.example"},
		UserAgent:        "a\r\nX-Evil: 1",
	}).Validate()
	require.Error(t, err)
	for _, part := range []string{
		"Secrets[1] must decode to 24 to 64 bytes", `Secrets[2] must begin with "whsec_"`, "Secrets[3] must be base64",
		`TrustedSites[1] "https://example.com" must`, `TrustedSites[2] "" must`, `TrustedSites[3] "*.example.com" must`,
		`TrustedSites[4] "example.com:0" must have a port`, `TrustedSites[5] "127.1" must`,
		"Timeout must not be negative, but is -1s", "MaxResponseBytes must be 0 to 1048576, not 1048577",
		"Concurrency must not be negative, but is -1", "HostConcurrency must not be negative, but is -2",
		"Proxy must be an absolute http or https URL", "UserAgent must be printable ASCII",
	} {
		assert.ErrorContains(t, err, part)
	}
	assert.NotContains(t, err.Error(), "Secrets[0]")
	assert.NotContains(t, err.Error(), "TrustedSites[0]")
	for _, secret := range []string{"c2VjcmV0", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "%%%"} {
		assert.NotContains(t, err.Error(), secret)
	}
	_, err = NewSender(&Config{Secrets: []string{shortSecret}})
	assert.ErrorContains(t, err, "callback: config: Secrets[0]")
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	var none *Config
	require.NoError(t, none.Validate())
	require.NoError(t, (&Config{}).Validate())
	s, err := NewSender(nil)
	require.NoError(t, err)
	assert.Equal(t, 10*time.Second, s.cfg.Timeout)
	assert.EqualValues(t, 64<<10, s.cfg.MaxResponseBytes)
	assert.Equal(t, "Redrive/1 (+https://github.com/redrive-go/redrive)", s.cfg.UserAgent)
	proxy, err := s.transport.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: "example.com"}})
	require.NoError(t, err)
	assert.Nil(t, proxy)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "twice")
}

func TestConfigAllowPrivateIsLoud(t *testing.T) {
	t.Parallel()
	for _, allow := range []bool{false, true} {
		var log bytes.Buffer
		_, err := NewSender(&Config{AllowPrivate: allow, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		assert.Equal(t, allow, log.Len() > 0)
	}
}
