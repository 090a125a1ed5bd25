package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/postgres"
)

// postgresDatabase makes a database on the server named by REDRIVE_TEST_POSTGRES, dropped at the end, and returns its DSN.
func postgresDatabase(tb testing.TB) string {
	server := os.Getenv("REDRIVE_TEST_POSTGRES")
	if server == "" {
		tb.Skip("REDRIVE_TEST_POSTGRES names no PostgreSQL server")
	}
	dsn, err := url.Parse(server)
	must(tb, err)
	name := "redrive_bench_" + strconv.FormatUint(rand.Uint64(), 36)
	onPostgres(tb, server, "CREATE DATABASE "+name)
	tb.Cleanup(func() { onPostgres(tb, server, "DROP DATABASE "+name+" WITH (FORCE)") })
	dsn.Path = "/" + name
	return dsn.String()
}

func openPostgres(ctx context.Context, dsn string) (*asyncevents.Backend, error) {
	return postgres.Open(ctx, dsn, &postgres.Config{Logger: quiet})
}

// multiplyOnPostgres inserts what as many calls of Publish would have inserted.
func multiplyOnPostgres(tb testing.TB, dsn string, n int) {
	onPostgres(tb, dsn, fmt.Sprintf(`INSERT INTO redrive_messages (topic, uuid, metadata, payload)
		SELECT topic, gen_random_uuid()::text, metadata, payload
		FROM redrive_messages, generate_series(2, %d) i`, n))
}

// onPostgres runs one statement on a connection of its own.
func onPostgres(tb testing.TB, dsn, statement string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	must(tb, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	must(tb, err)
}

// vacuum leaves the server nothing to do in the background for what was just filled in, and its planner nothing to guess.
func vacuum(tb testing.TB, dsn string) { onPostgres(tb, dsn, "VACUUM (ANALYZE)") }

// postgresPool is a pool of a number of connections, all of them open.
func postgresPool(tb testing.TB, dsn string, connections int) *pgxpool.Pool {
	cfg, err := pgxpool.ParseConfig(dsn)
	must(tb, err)
	cfg.MaxConns, cfg.MinConns = int32(connections), int32(connections)
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	must(tb, err)
	tb.Cleanup(pool.Close)
	return pool
}

func lingerOnPostgres(tb testing.TB, dsn string) {
	conn, err := pgx.Connect(context.Background(), dsn)
	must(tb, err)
	tb.Cleanup(func() { must(tb, conn.Close(context.Background())) })
	_, err = conn.Exec(context.Background(), "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM redrive_messages")
	must(tb, err)
}
