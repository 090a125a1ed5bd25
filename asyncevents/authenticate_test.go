package asyncevents

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBearerToken(t *testing.T) {
	t.Parallel()
	authenticate := BearerToken("old", "new", "", "new")
	for _, tc := range []struct {
		headers []string
		pass    bool
	}{
		{[]string{"Bearer old"}, true},
		{[]string{"bearer new"}, true},
		{[]string{"Bearer  new "}, true},
		{nil, false},
		{[]string{""}, false},
		{[]string{"Bearer"}, false},
		{[]string{"Bearer "}, false},
		{[]string{"Bearer ol"}, false},
		{[]string{"Bearer oldnew"}, false},
		{[]string{"Bearer old new"}, false},
		{[]string{"Basic old"}, false},
		{[]string{"old"}, false},
		{[]string{"Bearer old", "Bearer old"}, false},
	} {
		err := authenticate(&http.Request{Header: http.Header{"Authorization": tc.headers}})
		assert.Equal(t, tc.pass, err == nil, "%q", tc.headers)
	}
}

func TestBearerTokenWithoutTokensRefuses(t *testing.T) {
	t.Parallel()
	for _, authenticate := range []func(*http.Request) error{BearerToken(), BearerToken("", "")} {
		for _, header := range []string{"Bearer ", "Bearer x", ""} {
			assert.Error(t, authenticate(&http.Request{Header: http.Header{"Authorization": {header}}}))
		}
	}
}
