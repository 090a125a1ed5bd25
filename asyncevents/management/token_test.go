package management

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestToken(t *testing.T) {
	t.Parallel()
	basic := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	header := func(value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Add("Authorization", value) }
	}
	tests := map[string]struct {
		tokens []string
		sign   func(*http.Request)
		actor  string
		denied bool
	}{
		"bearer":                {tokens: []string{"s3cret"}, sign: header("Bearer s3cret"), actor: "token"},
		"bearer, any case":      {tokens: []string{"s3cret"}, sign: header("bearer s3cret"), actor: "token"},
		"second of two":         {tokens: []string{"old", "new"}, sign: header("Bearer new"), actor: "token"},
		"basic":                 {tokens: []string{"s3cret"}, sign: basic("alice", "s3cret"), actor: "alice"},
		"basic without a name":  {tokens: []string{"s3cret"}, sign: basic("", "s3cret"), actor: "token"},
		"basic with a colon":    {tokens: []string{"a:b"}, sign: basic("alice", "a:b"), actor: "alice"},
		"nothing":               {tokens: []string{"s3cret"}, sign: func(*http.Request) {}, denied: true},
		"wrong bearer":          {tokens: []string{"s3cret"}, sign: header("Bearer s3cre"), denied: true},
		"wrong password":        {tokens: []string{"s3cret"}, sign: basic("alice", "S3cret"), denied: true},
		"token as user":         {tokens: []string{"s3cret"}, sign: basic("s3cret", ""), denied: true},
		"empty bearer":          {tokens: []string{"s3cret"}, sign: header("Bearer "), denied: true},
		"no token at all":       {sign: header("Bearer "), denied: true},
		"empty tokens":          {tokens: []string{"", ""}, sign: header("Bearer "), denied: true},
		"empty token, password": {tokens: []string{""}, sign: basic("alice", ""), denied: true},
		"other scheme":          {tokens: []string{"s3cret"}, sign: header("Digest s3cret"), denied: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			test.sign(r)
			actor, err := Token(test.tokens...)(r, ActionErase)
			if test.denied {
				var challenge *ChallengeError
				require.ErrorAs(t, err, &challenge)
				assert.Empty(t, actor)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.actor, actor)
		})
	}
}

func TestTokenMakesBrowsersAsk(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.authorize = Token("s3cret")
	for _, path := range []string{"", "api/queues", "nowhere"} {
		got := b.do(http.MethodGet, path, "")
		assert.Equal(t, http.StatusUnauthorized, got.Code, path)
		assert.Equal(t, tokenChallenges, got.Header().Values("WWW-Authenticate"))
	}
	got := b.do(http.MethodDelete, "api/queues/events/entries?confirm=0", "")
	assert.Equal(t, http.StatusUnauthorized, got.Code)
	require.Len(t, b.audit(), 1)
	assert.Equal(t, outcomeDenied, b.audit()[0].Outcome)

	got = b.do(http.MethodDelete, "api/queues/events/entries?confirm=0", "", "Authorization", "Bearer s3cret")
	assert.Equal(t, http.StatusOK, got.Code)
	assert.Equal(t, "token", b.audit()[0].Actor)
	assert.NotContains(t, b.log.String(), "s3cret")
}

func TestChallengeError(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "not authenticated", (&ChallengeError{}).Error())
	wrapping := &ChallengeError{Err: errDown}
	require.ErrorIs(t, wrapping, errDown)
	assert.ErrorContains(t, wrapping, errDown.Error())
}
