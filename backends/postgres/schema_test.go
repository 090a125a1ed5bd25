package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/internal/testserver"
)

// connect opens a connection of the test's own.
func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) })
	return conn
}

// tables returns the names of the tables in a schema.
func tables(t *testing.T, conn *pgx.Conn, schema string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1`, schema)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return names
}

// requireWorking stores something and looks whether it is there.
func requireWorking(t *testing.T, b *asyncevents.Backend) {
	t.Helper()
	require.NoError(t, b.Ping(t.Context()))
	require.NoError(t, b.Audit.Append(t.Context(), asyncevents.AuditRow{Actor: "ann"}))
	list, err := b.Audit.List(t.Context(), asyncevents.AuditQuery{Limit: 1})
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, "ann", list[0].Actor)
}

func TestTenReplicasAtOnce(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	conn := connect(t, dsn)
	_, err := conn.Exec(t.Context(), "DROP SCHEMA "+schema) // they make that, too
	require.NoError(t, err)
	var replicas sync.WaitGroup
	for range 10 {
		replicas.Go(func() {
			b, err := postgres.Open(t.Context(), dsn, &postgres.Config{Schema: schema})
			if assert.NoError(t, err) {
				assert.NoError(t, b.Ping(t.Context()))
				assert.NoError(t, b.Close())
			}
		})
	}
	replicas.Wait()
	assert.Equal(t, []string{
		"redrive_audit", "redrive_claims", "redrive_dead_letters", "redrive_dlqs", "redrive_error_groups", "redrive_events",
		"redrive_exports", "redrive_messages", "redrive_retry_jobs", "redrive_schema", "redrive_settings", "redrive_traffic",
	}, tables(t, conn, schema))
}

// They make the tables one after the other, whether they are told the schema or find it by their search_path.
func TestReplicasAtOnceAreToldTheSchemaOrFindIt(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	var replicas sync.WaitGroup
	for i := range 10 {
		dsn, cfg := dsn, &postgres.Config{Schema: schema}
		if i%2 == 0 {
			dsn, cfg = dsn+"&search_path="+schema, nil
		}
		replicas.Go(func() {
			b, err := postgres.Open(t.Context(), dsn, cfg)
			if assert.NoError(t, err) {
				assert.NoError(t, b.Close())
			}
		})
	}
	replicas.Wait()
}

// Services whose tables have other names do not wait for each other, but the schema they have in common is made once.
func TestServicesAtOnceMakeTheirSchema(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	_, err := connect(t, dsn).Exec(t.Context(), "DROP SCHEMA "+schema)
	require.NoError(t, err)
	var services sync.WaitGroup
	for i := range 10 {
		services.Go(func() {
			b, err := postgres.Open(t.Context(), dsn, &postgres.Config{Schema: schema, TablePrefix: fmt.Sprintf("service%d_", i)})
			if assert.NoError(t, err) {
				assert.NoError(t, b.Ping(t.Context()))
				assert.NoError(t, b.Close())
			}
		})
	}
	services.Wait()
}

func TestNewerSchema(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	cfg := &postgres.Config{Schema: schema}
	require.NoError(t, openOwn(t, dsn, cfg).Close())
	_, err := connect(t, dsn).Exec(t.Context(), "UPDATE "+schema+".redrive_schema SET version = 1000")
	require.NoError(t, err)
	for _, skip := range []bool{false, true} {
		cfg.SkipMigrate = skip
		_, err = postgres.Open(t.Context(), dsn, cfg)
		require.ErrorIs(t, err, postgres.ErrNewer)
		require.ErrorContains(t, err, "1000")
	}
}

// A DBA runs the script, and the service may no longer make tables.
func TestMigratedByHand(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	cfg := &postgres.Config{Schema: schema, TablePrefix: "my_", SkipMigrate: true}
	_, err := postgres.Open(t.Context(), dsn, cfg)
	require.ErrorIs(t, err, postgres.ErrNotMigrated)
	require.ErrorContains(t, err, "version 0 of 1")

	script, err := postgres.Migrations(cfg)
	require.NoError(t, err)
	assert.Empty(t, testserver.Psql(t, dsn, script))
	for _, table := range tables(t, connect(t, dsn), schema) {
		assert.True(t, strings.HasPrefix(table, "my_"), table)
	}
	b := openOwn(t, dsn, cfg)
	requireWorking(t, b)
	require.NoError(t, b.Close())
}

// What fails in the middle of a script leaves nothing behind, although psql goes on.
func TestMigratedByHandAllOrNothing(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	conn := connect(t, dsn)
	_, err := conn.Exec(t.Context(), "CREATE TABLE "+schema+".redrive_exports ()")
	require.NoError(t, err)
	script, err := postgres.Migrations(&postgres.Config{Schema: schema})
	require.NoError(t, err)
	assert.Contains(t, testserver.Psql(t, dsn, script), `relation "redrive_exports" already exists`)
	assert.Equal(t, []string{"redrive_exports"}, tables(t, conn, schema))
}

func TestMigrationsFrom(t *testing.T) {
	t.Parallel()
	all, err := postgres.Migrations(nil)
	require.NoError(t, err)
	fromNothing, err := postgres.MigrationsFrom(nil, 0)
	require.NoError(t, err)
	assert.Equal(t, all, fromNothing)
	fromPresent, err := postgres.MigrationsFrom(nil, 1)
	require.NoError(t, err)
	assert.Empty(t, fromPresent)
	for _, version := range []int{-1, 2} {
		_, err := postgres.MigrationsFrom(nil, version)
		require.ErrorContains(t, err, "must be 0 to 1")
	}
}

// Services with different prefixes in one schema do not see each other, and a schema's name may be an odd one.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	odd := schema + ` "Odd". Name`
	conn := connect(t, dsn)
	t.Cleanup(func() {
		_, err := conn.Exec(context.WithoutCancel(t.Context()), "DROP SCHEMA "+pgx.Identifier{odd}.Sanitize()+" CASCADE")
		assert.NoError(t, err)
	})
	first := openOwn(t, dsn, &postgres.Config{Schema: odd, TablePrefix: "a_"})
	second := openOwn(t, dsn, &postgres.Config{Schema: odd, TablePrefix: "b_"})
	requireWorking(t, first)
	list, err := second.Audit.List(t.Context(), asyncevents.AuditQuery{Limit: 1})
	require.NoError(t, err)
	assert.Empty(t, list)
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
}

func TestRefused(t *testing.T) {
	t.Parallel()
	_, err := postgres.New(t.Context(), nil, nil)
	require.ErrorContains(t, err, "pool must not be nil")
	_, err = postgres.NewDB(t.Context(), nil, nil)
	require.ErrorContains(t, err, "db must not be nil")
	_, err = postgres.Open(t.Context(), "postgres://host:port", nil)
	require.Error(t, err)
	cfg := &postgres.Config{TablePrefix: "Robert'); --", Schema: strings.Repeat("x", 64)}
	_, err = postgres.Migrations(cfg)
	require.ErrorContains(t, err, "TablePrefix")
	require.ErrorContains(t, err, "Schema")
	_, err = postgres.Open(t.Context(), "postgres://127.0.0.1:1/x?pool_max_conns=1", cfg)
	require.ErrorContains(t, err, "TablePrefix")
	require.ErrorContains(t, err, "at least 2 connections, not 1")
}
