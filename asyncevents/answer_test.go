package asyncevents

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLocation(t *testing.T) {
	t.Parallel()
	for requestURI, want := range map[string]string{
		"/v1/async/events":                         "/v1/async/events/id",
		"/v1/async/events?wait=1":                  "/v1/async/events/id",
		"/api/x/v1/async/events?a=//b":             "/api/x/v1/async/events/id",
		"/a%20b/v1/async/events":                   "/a%20b/v1/async/events/id",
		"/a\"b/v1/async/events":                    "/a%22b/v1/async/events/id",
		"http://front.example/api/v1/async/events": "/api/v1/async/events/id",
		"//evil.example/v1/async/events":           "/evil.example/v1/async/events/id",
		"/\\evil.example/v1/async/events":          "/%5Cevil.example/v1/async/events/id",
		"/v1/async/events\r\nSet-Cookie: x":        "/v1/async/events/id",
		"/renamed/":                                "/renamed/id",
		"/":                                        "/v1/async/events/id",
		"//":                                       "/v1/async/events/id",
		"*":                                        "/v1/async/events/id",
		"":                                         "/v1/async/events/id",
	} {
		assert.Equal(t, want, locationOf(&http.Request{RequestURI: requestURI}, "id"), requestURI)
	}
	assert.Equal(t, "/v1/async/events/a%0D%0Ab%2F%22", locationOf(&http.Request{}, "a\r\nb/\""))
}

func TestLocationBelowAStrippedPrefix(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	mux := http.NewServeMux()
	mux.Handle("/api/", http.StripPrefix("/api", d))
	mux.Handle(eventsPath, d)
	mux.Handle(eventsPath+"/", d)
	server := httptest.NewServer(mux)
	defer server.Close()
	for _, prefix := range []string{"", "/api"} {
		answer, err := http.Post(server.URL+prefix+eventsPath, "application/json", http.NoBody)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusBadRequest, answer.StatusCode)

		answer = postTo(t, server.URL+prefix+eventsPath, `{}`)
		require.Equal(t, http.StatusAccepted, answer.StatusCode)
		location := answer.Header.Get("Location")
		require.Equal(t, prefix+"/v1/async/events/id-1", location)

		answer, err = http.Get(server.URL + location)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, http.StatusOK, answer.StatusCode)
	}
}
