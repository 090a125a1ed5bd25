package main

import (
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReceiver(t *testing.T) {
	t.Parallel()
	secret := (&options{}).secrets()[0]
	r, err := newReceiver(t.Context(), secret, quiet)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, r.close()) })
	assert.True(t, r.address().Addr().IsLoopback())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.roots(), ServerName: receiverHost}}
	t.Cleanup(transport.CloseIdleConnections)
	sign, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)

	send := func(path, attempt, body, signed string) int {
		now := time.Now()
		signature, err := sign.Sign("id", now, []byte(signed))
		require.NoError(t, err)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+r.address().String()+path,
			strings.NewReader(body))
		require.NoError(t, err)
		for name, value := range map[string]string{
			"webhook-id": "id", "webhook-timestamp": strconv.FormatInt(now.Unix(), 10), "webhook-signature": signature,
			"X-Attempt": attempt,
		} {
			request.Header.Set(name, value)
		}
		response, err := transport.RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	assert.Equal(t, http.StatusNoContent, send("/callback", "1", "{}", "{}"))
	assert.Equal(t, http.StatusUnauthorized, send("/callback", "1", "{}", "[]"))
	assert.Equal(t, http.StatusServiceUnavailable, send("/busy", "5", "{}", "{}"))
	assert.Equal(t, http.StatusNoContent, send("/busy", "6", "{}", "{}"))
	assert.Equal(t, http.StatusNotFound, send("/", "1", "{}", "{}"))
	assert.EqualValues(t, 3, r.valid.Load())
	assert.EqualValues(t, 1, r.forged.Load())
}

func TestCertificateVouchesForNobodyElse(t *testing.T) {
	t.Parallel()
	certificate, err := newCertificate(receiverHost)
	require.NoError(t, err)
	assert.False(t, certificate.Leaf.IsCA)
	assert.NoError(t, certificate.Leaf.VerifyHostname(receiverHost))
	assert.Error(t, certificate.Leaf.VerifyHostname("example.com"))
}
