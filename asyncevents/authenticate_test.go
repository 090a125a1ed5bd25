package asyncevents

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
		_, err := authenticate(&http.Request{Header: http.Header{"Authorization": tc.headers}})
		assert.Equal(t, tc.pass, err == nil, "%q", tc.headers)
	}
}

func TestBearerTokenWithoutTokensRefuses(t *testing.T) {
	t.Parallel()
	for _, authenticate := range []Authenticator{BearerToken(), BearerToken("", "")} {
		for _, header := range []string{"Bearer ", "Bearer x", ""} {
			_, err := authenticate(&http.Request{Header: http.Header{"Authorization": {header}}})
			assert.Error(t, err)
		}
	}
}

// Tokens are exchanged under load: whoever has one that is in both sets is never refused, and one that is gone never passes again.
func TestBearerTokensAreReloaded(t *testing.T) {
	t.Parallel()
	var tokens BearerTokens
	with := func(token string) error {
		r := httptest.NewRequest(http.MethodPost, eventsPath, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		_, err := tokens.Authenticate(r)
		return err
	}
	require.Error(t, with(""), "none is set")
	require.Error(t, with("old"))
	tokens.Set("old", "kept", "")
	require.NoError(t, with("old"))
	require.Error(t, with(""))
	var calling sync.WaitGroup
	for range 4 {
		calling.Go(func() {
			for range 1000 {
				assert.NoError(t, with("kept"))
			}
		})
	}
	for i := range 1000 {
		tokens.Set("kept", fmt.Sprint("new", i))
		assert.Error(t, with("old"))
		assert.NoError(t, with(fmt.Sprint("new", i)))
	}
	calling.Wait()
	tokens.Set()
	require.Error(t, with("kept"))
}

// A service that gets its tokens from a file reads it again when it is told that there are new ones.
func ExampleBearerTokens() {
	var tokens BearerTokens
	reload := func(file string) { tokens.Set(strings.Fields(file)...) }
	reload("monday tuesday")
	ask := func(token string) {
		r := httptest.NewRequest(http.MethodPost, "/v1/async/events", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		_, err := tokens.Authenticate(r)
		fmt.Println(token, err == nil)
	}
	ask("monday")
	reload("tuesday wednesday")
	ask("monday")
	ask("wednesday")
	// Output:
	// monday true
	// monday false
	// wednesday true
}
