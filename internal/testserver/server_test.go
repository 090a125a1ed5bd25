package testserver

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// query runs statements and returns the number that the last one asks for.
type query func(t *testing.T, dsn string, statements ...string) int

func queryPostgres(t *testing.T, dsn string, statements ...string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close(t.Context())) }()
	last := len(statements) - 1
	for _, s := range statements[:last] {
		_, err := conn.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
	}
	require.NoError(t, conn.QueryRow(t.Context(), statements[last], pgx.QueryExecModeSimpleProtocol).Scan(&n))
	return n
}

func queryMySQL(t *testing.T, dsn string, statements ...string) (n int) {
	t.Helper()
	db, err := openMySQL(dsn)
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	last := len(statements) - 1
	for _, s := range statements[:last] {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err)
	}
	require.NoError(t, db.QueryRowContext(t.Context(), statements[last]).Scan(&n))
	return n
}

// keep and count have a database keep something, and count what it kept.
func (q query) keep(t *testing.T, dsn string) int {
	t.Helper()
	return q(t, dsn, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)", "SELECT 1")
}

func (q query) count(t *testing.T, dsn string) int {
	t.Helper()
	return q(t, dsn, "SELECT count(*) FROM kept")
}

// What was kept is there again after each end, such as a crash and a clean stop, at the same address, and no process of before.
func restarts(t *testing.T, s *Server, keep, count func(t *testing.T, dsn string) int, ends ...func() error) {
	kept := keep(t, s.DSN())
	require.ErrorIs(t, s.Start(t.Context()), ErrRunning)
	dsn, pid := s.DSN(), s.Pid()
	require.NoError(t, syscall.Kill(pid, 0))

	for _, end := range ends {
		all := append(descendants(s.Pid()), s.Pid())
		require.NoError(t, end())
		assert.Eventually(t, func() bool { return gone(all) }, killTimeout, 10*time.Millisecond)
		require.NoError(t, end(), "twice is fine")
		require.Error(t, ping(t.Context(), s.recipe.ping, dsn))
		require.ErrorIs(t, syscall.Kill(s.Pid(), 0), syscall.ESRCH)
		require.NoError(t, s.Start(t.Context()), s.Log())
		assert.Equal(t, dsn, s.DSN())
		assert.NotEqual(t, pid, s.Pid())
		assert.Equal(t, kept, count(t, dsn))
	}
}

func TestPrivatePostgres(t *testing.T) {
	t.Parallel()
	s := PrivatePostgres(t)
	restarts(t, s, query(queryPostgres).keep, query(queryPostgres).count, s.Kill, s.Stop)
	pauses(t, s)
	assert.Equal(t, 300, queryPostgres(t, s.DSN(), "SELECT current_setting('max_connections')::int"))
	assert.Equal(t, 1, queryPostgres(t, s.DSN(), "SELECT count(*) FROM pg_settings WHERE name = 'fsync' AND setting = 'on'"))
}

func TestPrivateMySQL(t *testing.T) {
	t.Parallel()
	s := PrivateMySQL(t)
	restarts(t, s, query(queryMySQL).keep, query(queryMySQL).count, s.Kill, s.Stop)
	pauses(t, s)
	assert.Equal(t, 300, queryMySQL(t, s.DSN(), "SELECT @@max_connections"))
	for _, host := range []string{"127.0.0.1", "localhost"} {
		open := "root@tcp(" + host + ":" + strconv.Itoa(s.site.port) + ")/mysql"
		assert.ErrorContains(t, pingMySQL(t.Context(), open), "Access denied", "nobody comes in without a password")
	}
}

// A server that is paused hangs, and works again when it goes on.
func pauses(t *testing.T, s *Server) {
	const patience = 200 * time.Millisecond
	require.NoError(t, s.Pause())
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.Error(t, s.recipe.ping(ctx, s.DSN()))
	assert.GreaterOrEqual(t, time.Since(began), patience)
	require.NoError(t, s.Resume())
	require.NoError(t, ping(t.Context(), s.recipe.ping, s.DSN()))
}

// Transactions of many clients share few connections, and the pooler finds the server again after a crash.
func TestPrivatePgBouncer(t *testing.T) {
	t.Parallel()
	s := PrivatePostgres(t)
	pooler := PrivatePgBouncer(t, s.DSN())
	const ask = "SELECT pg_backend_pid()"
	assert.Equal(t, queryPostgres(t, pooler.DSN(), ask), queryPostgres(t, pooler.DSN(), ask), "one connection serves both")

	require.NoError(t, s.Kill())
	require.NoError(t, s.Start(t.Context()))
	require.NoError(t, pooler.Stop())
	require.NoError(t, pooler.Start(t.Context()))
	assert.Positive(t, queryPostgres(t, pooler.DSN(), ask))
}

// A crash takes sessions along that are in the middle of something, which would otherwise live on for a while.
func TestKillTakesSessionsAlong(t *testing.T) {
	t.Parallel()
	s := PrivatePostgres(t)
	conn, err := pgx.Connect(t.Context(), s.DSN())
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	session := int(conn.PgConn().PID())
	busy := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT count(*) FROM generate_series(1, 1e12::bigint)")
		busy <- err
	}()
	const active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1e12%' AND state = 'active'"
	require.Eventually(t, func() bool {
		return queryPostgres(t, s.DSN(), active) > 1 // it counts itself
	}, time.Minute, 10*time.Millisecond)

	require.NoError(t, s.Kill())
	require.Error(t, <-busy)
	assert.True(t, gone([]int{session}))
	require.NoError(t, s.Start(t.Context()))
}

// A server that cannot start says why, and leaves nothing behind.
func TestStartFails(t *testing.T) {
	t.Parallel()
	s := PrivatePostgres(t)
	require.NoError(t, s.Stop())
	require.NoError(t, os.Remove(filepath.Join(s.site.dir, "data", "PG_VERSION")))
	err := s.Start(t.Context())
	require.ErrorIs(t, err, errEnded)
	assert.ErrorContains(t, err, "is not a valid data directory")
	assert.False(t, s.process.running())
}

func TestStartIsInterrupted(t *testing.T) {
	t.Parallel()
	s := PrivatePostgres(t)
	require.NoError(t, s.Kill())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Start(ctx), context.Canceled)
	assert.False(t, s.process.running())
	require.NoError(t, s.Start(t.Context()))
}
