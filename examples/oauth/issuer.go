package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// issuer is an authorisation server, as Keycloak or Auth0 would be: POST /token gives a client a token for its id and secret, GET /keys
// has the public keys. It is here so that the example runs by itself; a service has somebody else's.
type issuer struct {
	server  *httptest.Server
	secrets map[string]string // by client

	mu      sync.Mutex
	keys    []signingKey // the last one signs
	made    int
	fetched int // how often the keys were
}

type signingKey struct {
	id      string
	private *ecdsa.PrivateKey
}

// lifetime is how long a token is good.
const lifetime = 5 * time.Minute

func newIssuer(secrets map[string]string) (*issuer, error) {
	i := &issuer{secrets: secrets}
	if err := i.rotate(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", i.serveToken)
	mux.HandleFunc("GET /keys", i.serveKeys)
	i.server = httptest.NewServer(mux)
	return i, nil
}

// rotate signs with a new key from now on. The old ones stay good until they are retired.
func (i *issuer) rotate() error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	i.keys = append(i.keys, signingKey{fmt.Sprint("key-", i.made), private})
	return nil
}

// retire takes all keys away but the one that signs.
func (i *issuer) retire() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = i.keys[len(i.keys)-1:]
}

// sign makes a token.
func (i *issuer) sign(c *claims) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	key := i.keys[len(i.keys)-1]
	token := jwt.NewWithClaims(jwt.SigningMethodES256, c)
	token.Header["kid"], token.Header["typ"] = key.id, "at+jwt"
	return token.SignedString(key.private)
}

// claimsFor are those of a token for a client.
func (i *issuer) claimsFor(client, audience, scope string) *claims {
	now := time.Now()
	return &claims{ClientID: client, Scope: scope, RegisteredClaims: jwt.RegisteredClaims{
		Issuer: i.server.URL, Subject: client, Audience: jwt.ClaimStrings{audience},
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)),
	}}
}

// serveToken is the client credentials grant of RFC 6749, section 4.4; the audience is the resource of RFC 8707.
func (i *issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	client, secret, _ := r.BasicAuth()
	known, ok := i.secrets[client]
	if !ok || subtle.ConstantTimeCompare([]byte(secret), []byte(known)) != 1 || r.FormValue("grant_type") != "client_credentials" {
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
		return
	}
	token, err := i.sign(i.claimsFor(client, r.FormValue("resource"), r.FormValue("scope")))
	if err != nil {
		http.Error(w, `{"error":"server_error"}`, http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime.Seconds())})
}

// serveKeys serves the public keys.
func (i *issuer) serveKeys(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetched++
	storage := jwkset.NewMemoryStorage()
	for _, key := range i.keys {
		jwk, err := jwkset.NewJWKFromKey(&key.private.PublicKey, jwkset.JWKOptions{
			Metadata: jwkset.JWKMetadataOptions{ALG: jwkset.AlgES256, KID: key.id, USE: jwkset.UseSig},
		})
		if err == nil {
			err = storage.KeyWrite(r.Context(), jwk)
		}
		if err != nil {
			http.Error(w, "no keys", http.StatusInternalServerError)
			return
		}
	}
	keys, err := storage.JSONPublic(r.Context())
	if err != nil {
		http.Error(w, "no keys", http.StatusInternalServerError)
		return
	}
	answer(w, keys)
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(value) // the client is gone
}
