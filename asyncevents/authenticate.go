package asyncevents

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
)

// errBadToken is what BearerToken's authenticator returns; it does not say which token would have been right.
var errBadToken = errors.New("bearer token missing or unknown")

// BearerToken returns an authenticator for Config that lets a request pass whose Authorization header carries one of the
// tokens; several allow for rotation. How long it takes tells nothing about the tokens. Empty tokens are ignored, and
// without any token every request is refused.
func BearerToken(tokens ...string) func(*http.Request) error {
	// Hashes have one length, so that the comparison does not tell the token's.
	known := make([][sha256.Size]byte, 0, len(tokens))
	for _, token := range tokens {
		if token != "" {
			known = append(known, sha256.Sum256([]byte(token)))
		}
	}
	return func(r *http.Request) error {
		sent := sha256.Sum256([]byte(bearerOf(r)))
		match := 0
		for _, token := range known {
			match |= subtle.ConstantTimeCompare(sent[:], token[:])
		}
		if match != 1 {
			return errBadToken
		}
		return nil
	}
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
