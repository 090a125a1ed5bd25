package main

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/testserver"
)

func TestServerAwayAtStart(t *testing.T) {
	t.Parallel()
	for name, private := range map[string]func(testing.TB) *testserver.Server{
		backendPostgres: testserver.PrivatePostgres,
		backendMySQL:    testserver.PrivateMySQL,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := private(t)
			awayAtStart(t, server, http.StatusServiceUnavailable, "-backend", name, "-dsn", server.DSN())
		})
	}
}

// awayAtStart has the program start while its server or broker is away, which is waited for: the process is up, not ready, and begins
// by itself. Until then it answers events with a status: it takes them only with an outbox.
func awayAtStart(t *testing.T, server *testserver.Server, early int, flags ...string) {
	require.NoError(t, server.Stop())
	r := start(t, flags...)
	status, _ := r.do(t, http.MethodGet, "/healthz", "")
	assert.Equal(t, http.StatusOK, status)
	status, _ = r.do(t, http.MethodGet, "/readyz", "")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	for _, id := range []string{"early", ""} {
		response, err := r.http.Do(r.request(t, http.MethodPost, eventsPath, eventBody(id, `{}`)))
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, early, response.StatusCode)
		if early == http.StatusServiceUnavailable {
			seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
			require.NoError(t, err)
			assert.Positive(t, seconds)
		}
	}

	require.NoError(t, server.Start(t.Context()))
	eventually(t, func() bool {
		status, _ := r.do(t, http.MethodGet, "/readyz", "")
		return status == http.StatusOK
	}, "not ready")
	r.accept(t, "early", `{}`) // once more: that changes nothing
	r.await(t, "early", asyncevents.StatusProcessed)
}
