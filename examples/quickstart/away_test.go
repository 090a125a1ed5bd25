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

// A server or broker that is away at the start is waited for: the process is up, not ready, and begins by itself. Until then it takes
// events only with an outbox.
func TestServerAwayAtStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		private func(testing.TB) *testserver.Server
		flags   []string
		early   int // the answer to an event meanwhile
	}{
		backendPostgres: {testserver.PrivatePostgres, []string{"-backend", backendPostgres}, http.StatusServiceUnavailable},
		backendMySQL:    {testserver.PrivateMySQL, []string{"-backend", backendMySQL}, http.StatusServiceUnavailable},
		backendAMQP:     {testserver.PrivateRabbitMQ, brokerFlags(t, ""), http.StatusServiceUnavailable},
		"outbox":        {testserver.PrivateRabbitMQ, brokerFlags(t, "", "-outbox"), http.StatusAccepted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := c.private(t)
			require.NoError(t, server.Stop())
			r := start(t, append(c.flags, "-dsn", server.DSN())...)
			status, _ := r.do(t, http.MethodGet, "/healthz", "")
			assert.Equal(t, http.StatusOK, status)
			status, _ = r.do(t, http.MethodGet, "/readyz", "")
			assert.Equal(t, http.StatusServiceUnavailable, status)
			for _, id := range []string{"early", ""} {
				response, err := r.http.Do(r.request(t, http.MethodPost, eventsPath, eventBody(id, `{}`)))
				require.NoError(t, err)
				require.NoError(t, response.Body.Close())
				assert.Equal(t, c.early, response.StatusCode)
				if c.early == http.StatusServiceUnavailable {
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
		})
	}
}
