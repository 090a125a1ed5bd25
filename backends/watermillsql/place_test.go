package watermillsql_test

import (
	"context"
	stdsql "database/sql"
	"testing"

	"github.com/ThreeDotsLabs/watermill-sql/v4/pkg/sql"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/backends/watermillsql"
	"github.com/redrive-go/redrive/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a backend, and a host with transactions on its database.
type place struct {
	backend *asyncevents.Backend
	schema  *watermillsql.Schema
	pool    sql.Beginner
	db      *stdsql.DB
	table   string // of messages
	begin   func(context.Context) (*transaction, error)
}

// transaction is one of the host's. tx is what a Publisher of watermill-sql takes.
type transaction struct {
	tx               sql.Tx
	commit, rollback func() error
}

// places are the kinds of transactions, on new databases.
var places = map[string]func(*testing.T) *place{
	"postgres/pgx":          newPgxPlace,
	"postgres/database/sql": newPostgresPlace,
	"mysql/database/sql":    newMySQLPlace,
}

func newPgxPlace(t *testing.T) *place {
	p := newPostgresPlace(t)
	pool, err := pgxpool.New(t.Context(), testserver.Postgres(t))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	p.pool = sql.BeginnerFromPgx(pool)
	p.begin = func(ctx context.Context) (*transaction, error) {
		tx, err := pool.Begin(ctx)
		if err != nil {
			return nil, err
		}
		return &transaction{
			sql.TxFromPgx(tx), func() error { return tx.Commit(ctx) }, func() error { return tx.Rollback(ctx) },
		}, nil
	}
	return p
}

func newPostgresPlace(t *testing.T) *place {
	dsn, schema := testserver.PostgresSchema(t)
	pool, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	db := stdlib.OpenDBFromPool(pool)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	cfg := &postgres.Config{Schema: schema, TablePrefix: "shop_"}
	p := &place{pool: sql.BeginnerFromStdSQL(db), db: db, table: schema + ".shop_messages", begin: beginning(db)}
	p.backend, err = postgres.New(t.Context(), pool, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.backend.Close()) })
	p.schema, err = watermillsql.NewPostgres(cfg)
	require.NoError(t, err)
	return p
}

func newMySQLPlace(t *testing.T) *place {
	db, err := stdsql.Open("mysql", testserver.MySQLDatabase(t))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	cfg := &mysql.Config{TablePrefix: "shop_"}
	p := &place{pool: sql.BeginnerFromStdSQL(db), db: db, table: "shop_messages", begin: beginning(db)}
	p.backend, err = mysql.New(t.Context(), db, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.backend.Close()) })
	p.schema, err = watermillsql.NewMySQL(cfg)
	require.NoError(t, err)
	return p
}

// beginning begins transactions of database/sql.
func beginning(db *stdsql.DB) func(context.Context) (*transaction, error) {
	return func(ctx context.Context) (*transaction, error) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return nil, err
		}
		return &transaction{sql.TxFromStdSQL(tx), tx.Commit, tx.Rollback}, nil
	}
}

// onEachPlace runs a case with every kind of transaction.
func onEachPlace(t *testing.T, test func(*testing.T, *place)) {
	t.Parallel()
	for name, make := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, make(t))
		})
	}
}
