package testserver

import (
	"context"
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// schemaTimeout bounds the making and the dropping of a schema or database.
const schemaTimeout = 30 * time.Second

// PostgresSchema returns the server of Postgres and the name of a new, empty schema on it, which is dropped with all that
// is in it when the test ends. The DSN does not lead to the schema by itself.
func PostgresSchema(t testing.TB) (dsn, schema string) {
	t.Helper()
	dsn, schema = Postgres(t), uniqueName()
	makeOwn(t, "schema "+schema, func(ctx context.Context) error {
		return execPostgres(ctx, dsn, "CREATE SCHEMA "+schema)
	}, func(ctx context.Context) error {
		return execPostgres(ctx, dsn, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
	})
	return dsn, schema
}

// PostgresSchemaDSN returns a DSN of the server of Postgres that leads to a new, empty schema, as PostgresSchema makes it, for
// what is told a DSN and nothing else.
func PostgresSchemaDSN(t testing.TB) (dsn string) {
	t.Helper()
	server, schema := PostgresSchema(t)
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("read the DSN of PostgreSQL: %v", err)
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}

// PostgresDatabase returns a DSN of the server of Postgres that leads to a new, empty database, for tests that look at what
// belongs to a whole one. It is dropped when the test ends.
func PostgresDatabase(t testing.TB) (dsn string) {
	t.Helper()
	server, name := Postgres(t), uniqueName()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("read the DSN of PostgreSQL: %v", err)
	}
	u.Path = "/" + name
	makeOwn(t, "database "+name, func(ctx context.Context) error {
		return execPostgres(ctx, server, "CREATE DATABASE "+name)
	}, func(ctx context.Context) error {
		return execPostgres(ctx, server, "DROP DATABASE IF EXISTS "+name)
	})
	return u.String()
}

// MySQLDatabase returns a DSN of the server of MySQL that leads to a new, empty database. It is dropped when the test ends.
func MySQLDatabase(t testing.TB) (dsn string) {
	t.Helper()
	server, name := MySQL(t), uniqueName()
	cfg, err := mysql.ParseDSN(server)
	if err != nil {
		t.Fatalf("read the DSN of MySQL: %v", err)
	}
	cfg.DBName = name
	makeOwn(t, "database "+name, func(ctx context.Context) error {
		return execMySQL(ctx, server, "CREATE DATABASE "+name)
	}, func(ctx context.Context) error {
		return execMySQL(ctx, server, "DROP DATABASE IF EXISTS "+name)
	})
	return cfg.FormatDSN()
}

// uniqueName needs no quotes, and fits what servers allow with room for what a test adds.
func uniqueName() string {
	return "redrive_test_" + strings.ToLower(rand.Text()[:16])
}

// makeOwn makes something that the end of the test drops. That cannot use the test's context, which has ended by then.
func makeOwn(t testing.TB, what string, make, drop func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), schemaTimeout)
	defer cancel()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), schemaTimeout)
		defer cancel()
		if err := drop(ctx); err != nil {
			t.Errorf("drop the %s; is something of the test still at work in it? %v", what, err)
		}
	})
	if err := make(ctx); err != nil {
		t.Fatalf("make the %s: %v", what, err)
	}
}
