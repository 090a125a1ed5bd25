package mysql_test

import (
	"database/sql"
	"strings"
	"sync"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/internal/testserver"
)

// tables returns the names of the tables in the database of a pool.
func tables(t *testing.T, db *sql.DB) (names []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SHOW TABLES")
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Err())
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
	dsn := testserver.MySQLDatabase(t)
	var replicas sync.WaitGroup
	for range 10 {
		replicas.Go(func() {
			b, err := mysql.Open(t.Context(), dsn, nil)
			if assert.NoError(t, err) {
				assert.NoError(t, b.Ping(t.Context()))
				assert.NoError(t, b.Close())
			}
		})
	}
	replicas.Wait()
	assert.Len(t, tables(t, pool(t, dsn, 1, "")), 11)
}

// A replica that died while it migrated leaves a part of the tables behind: there are no transactions around them.
func TestInterruptedMigration(t *testing.T) {
	t.Parallel()
	dsn := testserver.MySQLDatabase(t)
	db := pool(t, dsn, 2, "")
	script, err := mysql.Migrations(nil)
	require.NoError(t, err)
	statements := strings.SplitAfter(script, ";\n")
	for _, statement := range statements[:len(statements)/2] {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	b, err := mysql.New(t.Context(), db, nil)
	require.NoError(t, err)
	requireWorking(t, b)
	require.NoError(t, b.Close())
}

func TestNewerSchema(t *testing.T) {
	t.Parallel()
	dsn := testserver.MySQLDatabase(t)
	openOwnAndClose(t, dsn)
	db := pool(t, dsn, 2, "")
	_, err := db.ExecContext(t.Context(), "UPDATE redrive_schema SET version = 1000")
	require.NoError(t, err)
	for _, cfg := range []*mysql.Config{nil, {SkipMigrate: true}} {
		_, err = mysql.Open(t.Context(), dsn, cfg)
		require.ErrorIs(t, err, mysql.ErrNewer)
		require.ErrorContains(t, err, "1000")
	}
	require.NoError(t, db.PingContext(t.Context()), "the host's pool stays open")
}

func openOwnAndClose(t *testing.T, dsn string) {
	t.Helper()
	require.NoError(t, openOwn(t, dsn).Close())
}

// A DBA runs the script, in a database that the DSN does not name, and the service may no longer make tables.
func TestMigratedByHand(t *testing.T) {
	t.Parallel()
	dsn := testserver.MySQLDatabase(t)
	parsed, err := driver.ParseDSN(dsn)
	require.NoError(t, err)
	schema := parsed.DBName
	parsed.DBName = ""
	cfg := &mysql.Config{Schema: schema, TablePrefix: "my_", SkipMigrate: true}
	_, err = mysql.Open(t.Context(), parsed.FormatDSN(), cfg)
	require.ErrorIs(t, err, mysql.ErrNotMigrated)
	require.ErrorContains(t, err, "version 0 of 1")

	script, err := mysql.Migrations(cfg)
	require.NoError(t, err)
	run := func(script string) string { return testserver.MySQLClient(t, parsed.FormatDSN(), script) }
	beforeVersion := strings.LastIndex(script, "UPDATE")
	assert.Empty(t, run(script[:beforeVersion]), "as if it had broken off")
	assert.Empty(t, run(script))
	assert.Contains(t, run(script), "Duplicate entry '1'", "it is done already")
	for _, table := range tables(t, pool(t, dsn, 1, "")) {
		assert.True(t, strings.HasPrefix(table, "my_"), table)
	}
	b, err := mysql.Open(t.Context(), parsed.FormatDSN(), cfg)
	require.NoError(t, err)
	requireWorking(t, b)
	require.NoError(t, b.Close())
}

func TestMigrationsFrom(t *testing.T) {
	t.Parallel()
	all, err := mysql.Migrations(nil)
	require.NoError(t, err)
	fromNothing, err := mysql.MigrationsFrom(nil, 0)
	require.NoError(t, err)
	assert.Equal(t, all, fromNothing)
	fromPresent, err := mysql.MigrationsFrom(nil, 1)
	require.NoError(t, err)
	assert.Empty(t, fromPresent)
	for _, version := range []int{-1, 2} {
		_, err := mysql.MigrationsFrom(nil, version)
		require.ErrorContains(t, err, "must be 0 to 1")
	}
}

func TestPrefixes(t *testing.T) {
	t.Parallel()
	dsn := testserver.MySQLDatabase(t)
	first, err := mysql.Open(t.Context(), dsn, &mysql.Config{TablePrefix: "a_"})
	require.NoError(t, err)
	second, err := mysql.Open(t.Context(), dsn, &mysql.Config{TablePrefix: "b_"})
	require.NoError(t, err)
	requireWorking(t, first)
	list, err := second.Audit.List(t.Context(), asyncevents.AuditQuery{Limit: 1})
	require.NoError(t, err)
	assert.Empty(t, list)
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
}

func TestRefused(t *testing.T) {
	t.Parallel()
	_, err := mysql.New(t.Context(), nil, nil)
	require.Error(t, err)
	_, err = mysql.Open(t.Context(), "no dsn", nil)
	require.Error(t, err)
	cfg := &mysql.Config{TablePrefix: "Robert'); --", Schema: strings.Repeat("x", 65)}
	_, err = mysql.Migrations(cfg)
	require.ErrorContains(t, err, "TablePrefix")
	require.ErrorContains(t, err, "Schema")
	_, err = mysql.Open(t.Context(), "root@tcp(127.0.0.1:1)/x", cfg)
	require.ErrorContains(t, err, "TablePrefix")
}

func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	dsn := testserver.MySQLDatabase(t)
	_, err := mysql.New(t.Context(), pool(t, dsn, 1, ""), nil)
	require.ErrorContains(t, err, "at least 2 connections")
	_, err = mysql.New(t.Context(), pool(t, dsn, 2, "?autocommit=0"), nil)
	require.ErrorContains(t, err, "autocommit")
	_, err = mysql.New(t.Context(), pool(t, dsn, 2, "?sql_safe_updates=1"), nil)
	require.ErrorContains(t, err, "sql_safe_updates")
	assert.Empty(t, tables(t, pool(t, dsn, 1, "")))

	parsed, err := driver.ParseDSN(dsn)
	require.NoError(t, err)
	parsed.DBName = ""
	_, err = mysql.Open(t.Context(), parsed.FormatDSN(), nil)
	require.ErrorContains(t, err, "No database selected")
}
