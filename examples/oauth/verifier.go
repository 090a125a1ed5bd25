package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

// verifierConfig says whose tokens are taken, and for what.
type verifierConfig struct {
	// issuer is who makes the tokens: their "iss". keysURL is where its public keys are.
	issuer, keysURL string
	// audience is who we are: one of the tokens' "aud". A token for somebody else must not open our door.
	audience string
	// client fetches the keys, within a time.
	client *http.Client
	// refetch is how often keys are fetched at most because a token names one that is not known: whoever makes such tokens up must
	// not have us run to the issuer. A new key is known within that time.
	refetch time.Duration
}

// verifier lets requests pass that bear an access token of RFC 9068. Its authenticate is for asyncevents.Config.
type verifier struct {
	keys   keyfunc.Keyfunc
	parser *jwt.Parser
}

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
}

// What a request needs.
const (
	scopeWrite = "events:write"
	scopeRead  = "events:read"
)

const (
	fetchTime    = 2 * time.Second
	refetchKeys  = time.Hour // also those that are known: one that is gone is no longer good
	clocksDiffer = 10 * time.Second
)

var errToken = errors.New("no token of the kind that is needed")

// newVerifier fetches the keys, and again from time to time until ctx ends.
func newVerifier(ctx context.Context, cfg *verifierConfig) (*verifier, error) {
	mustBeThere := false
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{cfg.keysURL}, keyfunc.Override{
		Client: cfg.client, HTTPTimeout: fetchTime, RefreshInterval: refetchKeys, NoErrorReturnFirstHTTPReq: &mustBeThere,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(cfg.refetch), 1),
		RateLimitWaitMax:  fetchTime, // of a fetch; beyond the rate, there is no waiting for one
	})
	if err != nil {
		return nil, fmt.Errorf("fetch the issuer's keys: %w", err)
	}
	return &verifier{keys: keys, parser: jwt.NewParser(
		jwt.WithIssuer(cfg.issuer), jwt.WithAudience(cfg.audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(clocksDiffer),
		jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}), // what the token itself says of it is nobody's word
	)}, nil
}

// authenticate names the client whose token it is: its events are counted by that name, and its idempotency keys are its own.
func (v *verifier) authenticate(r *http.Request) (client string, err error) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", errToken
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", errToken
	}
	var c claims
	token, err := v.parser.ParseWithClaims(text, &c, v.keys.KeyfuncCtx(r.Context()))
	if err != nil {
		return "", err
	}
	if typ, _ := token.Header["typ"].(string); !strings.EqualFold(typ, "at+jwt") { // an ID token is for somebody's eyes, not for a door
		return "", errToken
	}
	if c.ClientID == "" || !slices.Contains(strings.Fields(c.Scope), scopeFor(r.Method)) {
		return "", errToken
	}
	return c.ClientID, nil
}

func scopeFor(method string) string {
	if method == http.MethodPost {
		return scopeWrite
	}
	return scopeRead
}
