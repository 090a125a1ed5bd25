package postgres_test

import (
	"log/slog"
	"net/url"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/backendtest"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/internal/testserver"
)

// behind opens backends through a pooler, on pools that are in an execution mode of pgx.
func behind(bouncer *testserver.Server, mode string) func(*testing.T, string, *postgres.Config) *asyncevents.Backend {
	return func(t *testing.T, _ string, cfg *postgres.Config) *asyncevents.Backend {
		return openOwn(t, bouncer.DSN()+"&default_query_exec_mode="+mode, cfg)
	}
}

// keepsPrepared is whether a pgbouncer keeps track of prepared statements, by its own word.
func keepsPrepared(t *testing.T, bouncer *testserver.Server) bool {
	t.Helper()
	console, err := url.Parse(bouncer.DSN())
	require.NoError(t, err)
	console.Path = "/pgbouncer"
	rows, err := connect(t, console.String()).Query(t.Context(), "SHOW CONFIG", pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		values := rows.RawValues()
		if string(values[0]) == "max_prepared_statements" {
			kept, err := strconv.Atoi(string(values[1]))
			require.NoError(t, err)
			return kept > 0
		}
	}
	require.NoError(t, rows.Err())
	return false
}

// Everything works behind a pooler in transaction mode, without prepared statements.
func TestBackendBehindPooler(t *testing.T) {
	t.Parallel()
	bouncer := testserver.PrivatePgBouncer(t, testserver.Postgres(t))
	t.Run("all", func(t *testing.T) { // the pooler ends with the last of them
		backendtest.RunVariant(t, harness(behind(bouncer, "exec")))
	})
}

// The other modes of pgx without prepared statements will do as well.
func TestModesBehindPooler(t *testing.T) {
	t.Parallel()
	bouncer := testserver.PrivatePgBouncer(t, testserver.Postgres(t))
	for _, mode := range []string{"cache_describe", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			dsn, schema := testserver.PostgresSchema(t)
			b := behind(bouncer, mode)(t, dsn, &postgres.Config{Schema: schema})
			t.Cleanup(func() { assert.NoError(t, b.Close()) })
			requireWorking(t, b)
			requireHeard(t, b, b, 20)
		})
	}
}

// With prepared statements, which are pgx's default, everything works behind a pooler that keeps track of them, and nothing
// behind another one.
func TestPreparedStatementsBehindPooler(t *testing.T) {
	t.Parallel()
	bouncer := testserver.PrivatePgBouncer(t, testserver.Postgres(t))
	open := behind(bouncer, "cache_statement")
	if keepsPrepared(t, bouncer) {
		t.Run("all", func(t *testing.T) { backendtest.RunVariant(t, harness(open)) })
		return
	}
	dsn, schema := testserver.PostgresSchema(t)
	cfg := &postgres.Config{Schema: schema, NoListen: true}
	first, second := open(t, dsn, cfg), open(t, dsn, cfg)
	t.Cleanup(func() { assert.NoError(t, first.Close()); assert.NoError(t, second.Close()) })
	_, err := first.Events.Find(t.Context(), "e")
	require.ErrorIs(t, err, asyncevents.ErrNotFound)
	_, err = second.Events.Find(t.Context(), "e")
	require.ErrorContains(t, err, "already exists", "on the one connection to the server")
}

// A pooler takes no search_path from its clients: the schema must be named.
func TestSearchPathBehindPooler(t *testing.T) {
	t.Parallel()
	bouncer := testserver.PrivatePgBouncer(t, testserver.Postgres(t))
	b, err := postgres.Open(t.Context(), bouncer.DSN()+"&search_path=public", &postgres.Config{
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	require.ErrorContains(t, b.Ping(t.Context()), "unsupported startup parameter: search_path")
	require.NoError(t, b.Close())
}
