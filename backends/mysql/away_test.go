package mysql_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/internal/testserver"
)

// A server that is away at start is waited for; one that was restarted is found again.
func TestServerAway(t *testing.T) {
	t.Parallel()
	server := testserver.PrivateMySQL(t)
	require.NoError(t, server.Kill())
	b, err := mysql.Open(t.Context(), server.DSN(), nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, b.Close()) }()
	require.ErrorContains(t, b.Ping(t.Context()), "cannot be used")
	ready := func() bool { return b.Ping(t.Context()) == nil }
	require.NoError(t, server.Start(t.Context()))
	require.Eventually(t, ready, time.Minute, 20*time.Millisecond)
	requireWorking(t, b)

	for range 5 { // connections that the server is going to close
		_, err := b.Events.Find(t.Context(), "x")
		require.ErrorIs(t, err, asyncevents.ErrNotFound)
	}
	require.NoError(t, server.Stop())
	require.Error(t, b.Ping(t.Context()))
	require.NoError(t, server.Start(t.Context()))
	require.NoError(t, b.Ping(t.Context()), "the first call after the restart")
}
