package callback

import (
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// siteOf is the key of a receiver in Config.Sites.
func siteOf(t testing.TB, server *httptest.Server) string {
	t.Helper()
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return u.Host
}

func TestSendOnTheTermsOfTheSite(t *testing.T) {
	t.Parallel()
	partner, atPartner := capture(t, http.StatusOK, nil)
	other, atOther := capture(t, http.StatusOK, nil)
	s := senderFor(t, dialHooks{}, func(c *Config) {
		c.Secrets = []string{secretOne}
		c.Sites = map[string]Site{siteOf(t, partner): {
			Secrets: []string{secretTwo}, Headers: map[string]string{"authorization": "Bearer partner-token", "X-Tenant": "7"},
		}}
	})
	request := requestTo(partner.URL)
	request.Headers = map[string]string{"X-Tenant": "8"}
	_, err := s.Send(t.Context(), request)
	require.NoError(t, err)
	got := <-atPartner
	require.NoError(t, verify(t, secretTwo, got.header, got.body))
	require.Error(t, verify(t, secretOne, got.header, got.body))
	assert.Equal(t, "Bearer partner-token", got.header.Get("Authorization"))
	assert.Equal(t, []string{"7"}, got.header.Values("X-Tenant"), "the host's word counts")

	_, err = s.Send(t.Context(), requestTo(other.URL))
	require.NoError(t, err)
	got = <-atOther
	require.NoError(t, verify(t, secretOne, got.header, got.body))
	assert.NotContains(t, got.header, "Authorization")
	assert.NotContains(t, got.header, "X-Tenant")
}

func TestSendHidesWhatItTellsASite(t *testing.T) {
	t.Parallel()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte("you sent " + r.Header.Get("Authorization")))
	}))
	t.Cleanup(echo.Close)
	s := senderFor(t, dialHooks{}, func(c *Config) {
		c.Sites = map[string]Site{siteOf(t, echo): {Headers: map[string]string{"Authorization": "Bearer partner-token"}}}
	})
	response, err := s.Send(t.Context(), requestTo(echo.URL))
	require.Error(t, err)
	assert.Equal(t, "you sent Bearer [hidden]", response.Body)
}

func TestSendTimeoutOfTheSite(t *testing.T) {
	t.Parallel()
	hanging := newReceiver(t, "127.0.0.1:0", hang)
	s := senderFor(t, dialHooks{}, func(c *Config) {
		c.Timeout = time.Minute
		c.Sites = map[string]Site{hanging.listener.Addr().String(): {Timeout: hostileTimeout}}
	})
	response, err := s.Send(t.Context(), requestTo(hanging.url()))
	require.ErrorIs(t, err, ErrTimeout)
	assert.Less(t, response.Duration, 10*time.Second)
}

func TestTermsAreThoseOfTheLongestSite(t *testing.T) {
	t.Parallel()
	rules, err := newRules(new((&Config{
		Timeout: 1,
		Sites: map[string]Site{
			"example.com": {Timeout: 2}, "a.example.com": {Timeout: 3}, "example.com:8443": {Timeout: 4}, "8.8.8.8": {Timeout: 5},
		},
	}).withDefaults()))
	require.NoError(t, err)
	for url, want := range map[string]time.Duration{
		"https://other.example/": 1, "https://badexample.com/": 1, "https://example.com.evil/": 1,
		"https://example.com/": 2, "https://B.Example.com/": 2,
		"https://a.example.com/": 3, "https://x.a.example.com/": 3,
		"https://example.com:8443/": 4, "https://8.8.8.8/": 5,
	} {
		admitted, err := rules.admit(url)
		require.NoError(t, err, url)
		assert.Equal(t, want, rules.termsFor(admitted).timeout, url)
	}
}

func TestSitesAreTrustedInAddition(t *testing.T) {
	t.Parallel()
	strict := senderFor(t, dialHooks{}, func(c *Config) {
		c.AllowPrivate, c.TrustedSites = false, []string{"trusted.example"}
		c.Sites = map[string]Site{"partner.example:8443": {}}
	})
	open := senderFor(t, dialHooks{}, func(c *Config) {
		c.AllowPrivate, c.Sites = false, map[string]Site{"partner.example:8443": {}}
	})
	for url, reasons := range map[string][2]string{
		"https://trusted.example/":      {"", ""},
		"https://partner.example:8443/": {"", ""},
		"https://partner.example/":      {"port", ""},
		"https://other.example/":        {"trusted site", ""},
		"https://other.example:8443/":   {"trusted site", "port"},
		"https://10.0.0.1/":             {"trusted site", "not public"},
	} {
		requireReason(t, strict, url, reasons[0])
		requireReason(t, open, url, reasons[1])
	}
}

func TestSitesFaults(t *testing.T) {
	t.Parallel()
	for fault, sites := range map[string]map[string]Site{
		`Sites["https://a.example"] must`:                                 {"https://a.example": {}},
		`Sites["a.example"] is the same as Sites["A.example"]`:            {"a.example": {}, "A.example": {}},
		`Sites["a.example"]: Secrets[0] must begin`:                       {"a.example": {Secrets: []string{"hunter2hunter2"}}},
		`Sites["a.example"]: Headers["Webhook-Id"] is reserved`:           {"a.example": {Headers: map[string]string{"Webhook-Id": "x"}}},
		`Sites["a.example"]: Headers has an invalid name: "X Y"`:          {"a.example": {Headers: map[string]string{"X Y": "x"}}},
		`Sites["a.example"]: Headers["X"] must be a valid`:                {"a.example": {Headers: map[string]string{"X": "hunter2\r\n"}}},
		`Sites["a.example"]: Rate must be 0 to 1e+06, not -1`:             {"a.example": {Rate: -1}},
		`Sites["a.example"]: Rate must be 0 to 1e+06, not NaN`:            {"a.example": {Rate: math.NaN()}},
		`Sites["a.example"]: Timeout must not be negative, but is -1ns`:   {"a.example": {Timeout: -1}},
		`Sites["a.example"]: Concurrency must not be negative, but is -1`: {"a.example": {Concurrency: -1}},
	} {
		_, err := NewSender(&Config{Sites: sites})
		require.ErrorContains(t, err, fault)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}

func TestReloadRotatesASecret(t *testing.T) {
	t.Parallel()
	server, seen := capture(t, http.StatusOK, nil)
	s := senderFor(t, dialHooks{}, func(c *Config) { c.Secrets = []string{secretOne} })
	known := func() (known [2]bool) {
		_, err := s.Send(t.Context(), requestTo(server.URL))
		require.NoError(t, err)
		got := <-seen
		for i, secret := range []string{secretOne, secretTwo} {
			known[i] = verify(t, secret, got.header, got.body) == nil
		}
		return known
	}
	assert.Equal(t, [2]bool{true, false}, known())
	require.NoError(t, s.Reload(&Config{Secrets: []string{secretTwo, secretOne}}))
	assert.Equal(t, [2]bool{true, true}, known(), "both during the overlap")
	require.NoError(t, s.Reload(&Config{Secrets: []string{secretTwo}}))
	assert.Equal(t, [2]bool{false, true}, known())
	require.Error(t, s.Reload(&Config{Secrets: []string{"whsec_short"}}))
	assert.Equal(t, [2]bool{false, true}, known(), "after a fault everything stays as it was")
}

func TestReloadChangesTrust(t *testing.T) {
	t.Parallel()
	server, seen := capture(t, http.StatusOK, nil)
	s := senderFor(t, dialHooks{}, nil)
	_, err := s.Send(t.Context(), requestTo(server.URL))
	require.NoError(t, err)
	require.NoError(t, s.Reload(&Config{TrustedSites: []string{"other.example"}}))
	_, err = s.Send(t.Context(), requestTo(server.URL))
	var refused *URLError
	require.ErrorAs(t, err, &refused, "not over the connection that is open, either")
	assert.Len(t, seen, 1)
	require.NoError(t, s.Reload(nil))
	require.NoError(t, s.Check(server.URL), "AllowPrivate stays")
}
