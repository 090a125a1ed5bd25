package postgres_test

import (
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/backendtest"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness makes backends on empty schemas, each with a pool of its own as open makes it.
func harness(open func(t *testing.T, dsn string, cfg *postgres.Config) *asyncevents.Backend) backendtest.Harness {
	return backendtest.Harness{Persistent: true, New: func(t *testing.T) backendtest.Instance {
		dsn, schema := testserver.PostgresSchema(t)
		again := func(t *testing.T) *asyncevents.Backend { return open(t, dsn, &postgres.Config{Schema: schema}) }
		return backendtest.Instance{Backend: again(t), Reopen: again}
	}}
}

func openOwn(t *testing.T, dsn string, cfg *postgres.Config) *asyncevents.Backend {
	b, err := postgres.Open(t.Context(), dsn, cfg)
	require.NoError(t, err)
	return b
}

// openSmall opens on the smallest pool that is taken, of pgx.
func openSmall(t *testing.T, dsn string, cfg *postgres.Config) *asyncevents.Backend {
	parsed, err := pgxpool.ParseConfig(dsn)
	require.NoError(t, err)
	parsed.MaxConns = postgres.MinConnections
	pool, err := pgxpool.NewWithConfig(t.Context(), parsed)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b, err := postgres.New(t.Context(), pool, cfg)
	require.NoError(t, err)
	return b
}

// openDB opens on a pool of database/sql.
func openDB(t *testing.T, dsn string, cfg *postgres.Config) *asyncevents.Backend {
	db, err := sql.Open("pgx", dsn)
	require.NoError(t, err)
	db.SetMaxOpenConns(10)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	b, err := postgres.NewDB(t.Context(), db, cfg)
	require.NoError(t, err)
	return b
}

func TestBackend(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, harness(openOwn))
}

func TestBackendOnTwoConnections(t *testing.T) {
	t.Parallel()
	backendtest.RunVariant(t, harness(openSmall))
}

func TestBackendOnDatabaseSQL(t *testing.T) {
	t.Parallel()
	backendtest.RunVariant(t, harness(openDB))
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	backendtest.PubSub(t, harness(openOwn))
}
