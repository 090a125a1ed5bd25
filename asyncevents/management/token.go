package management

import (
	"net/http"

	"github.com/redrive-go/redrive/asyncevents"
)

// tokenChallenges ask a browser for HTTP Basic and a program for a bearer token.
var tokenChallenges = []string{`Basic realm="redrive", charset="UTF-8"`, `Bearer realm="redrive"`}

// Token returns an Authorizer that allows every action to whoever sends one of the tokens: as a bearer token, or as
// the password of HTTP Basic, for which a browser asks by itself. Several tokens allow for rotation. Other requests
// get a *ChallengeError. Empty tokens are ignored, and without any token every request is denied. How long
// it takes tells nothing about the tokens.
//
// The actor is the user name of HTTP Basic, which the sender is free to choose, or "token".
func Token(tokens ...string) Authorizer {
	check := asyncevents.BearerToken(tokens...)
	return func(r *http.Request, _ Action) (string, error) {
		actor, bearer := bearerForm(r)
		if _, err := check(bearer); err != nil {
			return "", &ChallengeError{Challenges: tokenChallenges, Err: err}
		}
		return actor, nil
	}
}

// bearerForm returns the request with the password of HTTP Basic, if it has one, as bearer token, and its actor.
func bearerForm(r *http.Request) (actor string, bearer *http.Request) {
	user, password, ok := r.BasicAuth()
	if !ok {
		return "token", r
	}
	if user == "" {
		user = "token"
	}
	return user, &http.Request{Header: http.Header{"Authorization": {"Bearer " + password}}}
}
