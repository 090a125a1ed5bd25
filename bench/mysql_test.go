package bench

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	driver "github.com/go-sql-driver/mysql"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/mysql"
)

// mysqlDatabase makes a database on the server named by REDRIVE_TEST_MYSQL, dropped at the end, and returns its DSN.
func mysqlDatabase(tb testing.TB) string {
	server := os.Getenv("REDRIVE_TEST_MYSQL")
	if server == "" {
		tb.Skip("REDRIVE_TEST_MYSQL names no MySQL or MariaDB server")
	}
	cfg, err := driver.ParseDSN(server)
	must(tb, err)
	name := "redrive_bench_" + strconv.FormatUint(rand.Uint64(), 36)
	onMySQL(tb, server, "CREATE DATABASE "+name)
	tb.Cleanup(func() { onMySQL(tb, server, "DROP DATABASE "+name) })
	cfg.DBName = name
	return cfg.FormatDSN()
}

func openMySQL(ctx context.Context, dsn string) (*asyncevents.Backend, error) {
	return mysql.Open(ctx, dsn, &mysql.Config{Logger: quiet})
}

// onMySQL runs one statement on a connection of its own.
func onMySQL(tb testing.TB, dsn, statement string) {
	db, err := sql.Open("mysql", dsn)
	must(tb, err)
	defer db.Close()
	_, err = db.ExecContext(context.Background(), statement)
	must(tb, err)
}

// lingerOnMySQL does as mysqldump --single-transaction.
func lingerOnMySQL(tb testing.TB, dsn string) {
	db, err := sql.Open("mysql", dsn)
	must(tb, err)
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { must(tb, db.Close()) })
	for _, statement := range []string{
		"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT",
	} {
		_, err := db.Exec(statement)
		must(tb, err)
	}
}
