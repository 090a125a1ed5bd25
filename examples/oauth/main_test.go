package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStory(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	assert.Equal(t, `the shop hands in an event: 202 Accepted
again, with the same key: 202 Accepted, known already
the depot has the same key: 202 Accepted
the issuer has a new key: 202 Accepted, known already
a token for somebody else: 401 Unauthorized
no token at all: 401 Unauthorized
`, out.String())
}

// door is a verifier and its issuer.
type door struct {
	*issuer
	verifier *verifier
}

func newDoor(t *testing.T, refetch time.Duration) *door {
	t.Helper()
	from, err := newIssuer(nil)
	require.NoError(t, err)
	t.Cleanup(from.server.Close)
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	v, err := newVerifier(ctx, &verifierConfig{
		issuer: from.server.URL, keysURL: from.server.URL + "/keys", audience: audience, client: from.server.Client(), refetch: refetch,
	})
	require.NoError(t, err)
	return &door{from, v}
}

// open is who a request with these headers comes from.
func (d *door) open(method string, authorization ...string) (client string, err error) {
	r := httptest.NewRequest(method, "/v1/async/events", nil)
	r.Header["Authorization"] = authorization
	return d.verifier.authenticate(r)
}

// token is one with changed claims.
func (d *door) token(t *testing.T, change func(*claims)) string {
	t.Helper()
	c := d.claimsFor("shop", audience, "other events:write")
	if change != nil {
		change(c)
	}
	text, err := d.sign(c)
	require.NoError(t, err)
	return text
}

// forged is a token that somebody else has signed, with another header.
func (d *door) forged(t *testing.T, method jwt.SigningMethod, key any, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, d.claimsFor("shop", audience, scopeWrite))
	token.Header["typ"], token.Header["kid"] = "at+jwt", d.keys[0].id
	for name, value := range header {
		token.Header[name] = value
	}
	text, err := token.SignedString(key)
	require.NoError(t, err)
	return text
}

func TestTokensAreVerified(t *testing.T) {
	t.Parallel()
	d, other := newDoor(t, time.Hour), newDoor(t, time.Hour)
	client, err := d.open(http.MethodPost, "Bearer "+d.token(t, nil))
	require.NoError(t, err)
	assert.Equal(t, "shop", client)
	_, err = d.open(http.MethodGet, "Bearer "+d.token(t, nil))
	require.Error(t, err, "it may not read")
	_, err = d.open(http.MethodGet, "bearer "+d.token(t, func(c *claims) { c.Scope = scopeRead }))
	require.NoError(t, err)

	public, err := x509.MarshalPKIXPublicKey(&d.keys[0].private.PublicKey)
	require.NoError(t, err)
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	good := d.token(t, nil)
	for name, token := range map[string]string{
		"nothing": "", "no token": "x", "no claims": "e30.e30.", "cut": good[:len(good)-4], "changed": strings.Replace(good, ".", ".e30", 1),
		"expired":         d.token(t, func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Minute)) }),
		"for ever":        d.token(t, func(c *claims) { c.ExpiresAt = nil }),
		"not yet":         d.token(t, func(c *claims) { c.NotBefore = jwt.NewNumericDate(time.Now().Add(time.Minute)) }),
		"other audience":  d.token(t, func(c *claims) { c.Audience = jwt.ClaimStrings{"https://other.example"} }),
		"no audience":     d.token(t, func(c *claims) { c.Audience = nil }),
		"other issuer":    d.token(t, func(c *claims) { c.Issuer = "https://other.example" }),
		"no client":       d.token(t, func(c *claims) { c.ClientID = "" }),
		"no scope":        d.token(t, func(c *claims) { c.Scope = "" }),
		"like a scope":    d.token(t, func(c *claims) { c.Scope = "events:writer" }),
		"foreign":         other.token(t, nil),
		"foreign, as our": d.forged(t, jwt.SigningMethodES256, other.keys[0].private, nil),
		"alg none":        d.forged(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil),
		"alg HS256":       d.forged(t, jwt.SigningMethodHS256, asPEM, nil),
		"ID token":        d.forged(t, jwt.SigningMethodES256, d.keys[0].private, map[string]any{"typ": "JWT"}),
		"own key":         d.forged(t, jwt.SigningMethodES256, other.keys[0].private, map[string]any{"jku": other.server.URL + "/keys"}),
	} {
		_, err := d.open(http.MethodPost, "Bearer "+token)
		assert.Error(t, err, name)
		_, err = d.open(http.MethodPost, token)
		assert.Error(t, err, name)
	}
	_, err = d.open(http.MethodPost, "Bearer "+good, "Bearer "+good)
	require.Error(t, err)
	_, err = d.open(http.MethodPost)
	require.Error(t, err)
}

// A new key of the issuer's is fetched when it is first met; keys that nobody has are not asked for again and again, nor waited for; and
// one that is retired opens nothing once the keys were fetched again.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	d := newDoor(t, time.Nanosecond)
	old := d.token(t, nil)
	for range 3 {
		require.NoError(t, d.rotate())
		_, err := d.open(http.MethodPost, "Bearer "+d.token(t, nil))
		require.NoError(t, err)
		_, err = d.open(http.MethodPost, "Bearer "+old)
		require.NoError(t, err, "it is good until its key is retired")
	}
	require.NoError(t, d.rotate())
	d.retire()
	_, err := d.open(http.MethodPost, "Bearer "+d.token(t, nil))
	require.NoError(t, err)
	_, err = d.open(http.MethodPost, "Bearer "+old)
	require.Error(t, err)

	slow := newDoor(t, time.Hour)
	unknown := slow.forged(t, jwt.SigningMethodES256, slow.keys[0].private, map[string]any{"kid": "x"})
	began := time.Now()
	for range 100 {
		_, err := slow.open(http.MethodPost, "Bearer "+unknown)
		require.Error(t, err)
	}
	assert.Less(t, time.Since(began), fetchTime)
	assert.Equal(t, 2, slow.fetched, "at the start, and once because of the unknown key")
}

// A service whose issuer cannot be asked does not start: it would refuse everybody.
func TestNoIssuer(t *testing.T) {
	t.Parallel()
	from, err := newIssuer(nil)
	require.NoError(t, err)
	client := from.server.Client()
	from.server.Close()
	_, err = newVerifier(t.Context(), &verifierConfig{keysURL: from.server.URL + "/keys", client: client, refetch: time.Hour})
	require.Error(t, err)
}
