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

// privateServers are servers that a test may stop, by the backend that goes with them.
var privateServers = map[string]func(testing.TB) *testserver.Server{
	backendPostgres: testserver.PrivatePostgres,
	backendMySQL:    testserver.PrivateMySQL,
}

// A store that is away at the start is waited for: the process is up, not ready, and begins by itself.
func TestStoreAwayAtStart(t *testing.T) {
	t.Parallel()
	for backend, private := range privateServers {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			store := private(t)
			require.NoError(t, store.Stop())
			r := start(t, "-backend", backend, "-dsn", store.DSN())
			status, _ := r.do(t, http.MethodGet, "/healthz", "")
			assert.Equal(t, http.StatusOK, status)
			status, _ = r.do(t, http.MethodGet, "/readyz", "")
			assert.Equal(t, http.StatusServiceUnavailable, status)
			response, err := r.http.Do(r.request(t, http.MethodPost, eventsPath, eventBody("early", `{}`)))
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
			seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
			require.NoError(t, err)
			assert.Positive(t, seconds)

			require.NoError(t, store.Start(t.Context()))
			eventually(t, func() bool {
				status, _ := r.do(t, http.MethodGet, "/readyz", "")
				return status == http.StatusOK
			}, "not ready")
			r.accept(t, "early", `{}`)
			r.await(t, "early", asyncevents.StatusProcessed)
		})
	}
}
