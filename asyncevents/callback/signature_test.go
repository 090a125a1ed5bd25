package callback

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	secretOne = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretTwo = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	secretOld = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
)

// verify is what a receiver does that knows this secret.
func verify(t *testing.T, secret string, header http.Header, body []byte) error {
	t.Helper()
	webhook, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	return webhook.Verify(body, header)
}

func TestSignatureIsTheOfficialLibrarys(t *testing.T) {
	t.Parallel()
	s, err := newSigner([]string{secretOne, secretTwo})
	require.NoError(t, err)
	at, body := time.Unix(1614265330, 999), []byte(`{"test": 2432232314}`)
	var want []string
	for _, secret := range []string{secretOne, secretTwo} {
		webhook, err := standardwebhooks.NewWebhook(secret)
		require.NoError(t, err)
		signature, err := webhook.Sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
		require.NoError(t, err)
		want = append(want, signature)
	}
	got := s.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
	assert.Equal(t, strings.Join(want, " "), got)
	// The vector of the reference implementations.
	assert.True(t, strings.HasPrefix(got, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= "), got)
}

func TestSecretLengths(t *testing.T) {
	t.Parallel()
	for length, ok := range map[int]bool{23: false, 24: true, 64: true, 65: false} {
		_, err := decodeSecret(encodeSecret(length))
		assert.Equal(t, ok, err == nil, "%d bytes", length)
	}
	unsigned, err := newSigner(nil)
	require.NoError(t, err)
	assert.Empty(t, unsigned.sign("a", time.Now(), nil))
}

func encodeSecret(length int) string {
	return secretPrefix + base64.StdEncoding.EncodeToString(make([]byte, length))
}
