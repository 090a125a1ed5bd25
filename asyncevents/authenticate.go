package asyncevents

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
)

// errBadToken is what BearerToken's authenticator returns; it does not say which token would have been right.
var errBadToken = errors.New("bearer token missing or unknown")

// Authenticator lets a request pass and says whose it is, or refuses it with an error, which is not shown to the client. The name
// must be the same whenever the client comes again: RateLimit counts by it, and an Idempotency-Key means something to its client
// alone. "" is a client without a name, one of whom is as good as another. It is called from many goroutines.
type Authenticator func(*http.Request) (client string, err error)

// BearerToken returns an authenticator for Config that lets a request pass whose Authorization header carries one of the
// tokens; several allow for rotation. It is Authenticate of BearerTokens that never change.
func BearerToken(tokens ...string) Authenticator {
	var t BearerTokens
	t.Set(tokens...)
	return t.Authenticate
}

// BearerTokens are tokens that can be changed while requests come in. Its zero value has none, and refuses every request. Its methods
// may be called from any number of goroutines.
type BearerTokens struct {
	// Hashes have one length, so that the comparison does not tell the token's.
	hashes atomic.Pointer[[][sha256.Size]byte]
}

// Set replaces the tokens for all requests from now on. Empty ones are ignored, and without any every request is refused.
func (t *BearerTokens) Set(tokens ...string) {
	hashes := make([][sha256.Size]byte, 0, len(tokens))
	for _, token := range tokens {
		if token != "" {
			hashes = append(hashes, sha256.Sum256([]byte(token)))
		}
	}
	t.hashes.Store(&hashes)
}

// Authenticate is for Config.Authenticate: it lets a request pass whose Authorization header carries one of the tokens. How long it
// takes tells nothing about them. The client has no name: one that gets a new token goes on with its old keys.
func (t *BearerTokens) Authenticate(r *http.Request) (client string, err error) {
	hashes := t.hashes.Load()
	if hashes == nil {
		return "", errBadToken
	}
	sent := sha256.Sum256([]byte(bearerOf(r)))
	match := 0
	for _, token := range *hashes {
		match |= subtle.ConstantTimeCompare(sent[:], token[:])
	}
	if match != 1 {
		return "", errBadToken
	}
	return "", nil
}

// bearerOf returns the token of the request's only Authorization header, "" for none.
func bearerOf(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
