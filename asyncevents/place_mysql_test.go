package asyncevents_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/internal/testserver"
)

// newMySQL is a database of its own on a MySQL or MariaDB server.
func newMySQL(t *testing.T) *database {
	t.Helper()
	testserver.MySQL(t)
	join(t)
	return newMySQLDatabase(t)
}

func newMySQLDatabase(t *testing.T) *database {
	t.Helper()
	return mysqlAt(testserver.MySQLDatabase(t))
}

// mysqlAt is the database that a DSN leads to.
func mysqlAt(dsn string) *database {
	d := &database{
		kind: "mysql", dsn: dsn, driver: "mysql", prefix: mysql.DefaultTablePrefix, connect: openMySQL,
		another: newMySQLDatabase,
		open:    func(t *testing.T) *asyncevents.Backend { return openMySQL(t, dsn) },
		through: func(t *testing.T) (string, func(string) *asyncevents.Backend) {
			cfg, err := mysqldriver.ParseDSN(dsn)
			require.NoError(t, err)
			return cfg.Addr, func(address string) *asyncevents.Backend {
				return openMySQL(t, withMySQL(t, dsn, func(c *mysqldriver.Config) { c.Addr = address }))
			}
		},
		pooled: func(t *testing.T, most int) (*asyncevents.Backend, func() int) { return pooledMySQL(t, dsn, most) },
		skewed: func(_ *testing.T, ahead time.Duration) place { return skewedMySQL(dsn, ahead) },
		zoned: func(t *testing.T) string {
			return withMySQL(t, dsn, func(c *mysqldriver.Config) { c.Params = map[string]string{"time_zone": "'+05:45'"} })
		},
		schema: `SELECT CONCAT(table_name, ' ', column_name) FROM information_schema.columns WHERE table_schema = DATABASE()
			UNION ALL SELECT CONCAT('index ', table_name, ' ', index_name, ' ', column_name)
				FROM information_schema.statistics WHERE table_schema = DATABASE()
			UNION ALL SELECT CONCAT('version ', version) FROM redrive_schema ORDER BY 1`,
		sessions: `SELECT CONCAT('KILL ', id) FROM information_schema.processlist
			WHERE db = DATABASE() AND id <> CONNECTION_ID()`,
		renumber: `ALTER TABLE %s AUTO_INCREMENT = %d`,
	}
	return d
}

func openMySQL(t *testing.T, dsn string) *asyncevents.Backend {
	t.Helper()
	b, err := mysql.Open(t.Context(), dsn, &mysql.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	return b
}

func pooledMySQL(t *testing.T, dsn string, most int) (b *asyncevents.Backend, opened func() int) {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	require.NoError(t, err)
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	b, err = mysql.New(t.Context(), db, &mysql.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	return b, func() int { return db.Stats().OpenConnections }
}

// withMySQL changes a DSN.
func withMySQL(t *testing.T, dsn string, change func(*mysqldriver.Config)) string {
	t.Helper()
	cfg, err := mysqldriver.ParseDSN(dsn)
	require.NoError(t, err)
	change(cfg)
	return cfg.FormatDSN()
}

// skewedMySQL sets the time of a session before each of its statements.
func skewedMySQL(dsn string, ahead time.Duration) place {
	return func(t *testing.T) *asyncevents.Backend {
		t.Helper()
		cfg, err := mysqldriver.ParseDSN(dsn)
		require.NoError(t, err)
		cfg.InterpolateParams, cfg.Logger = true, &mysqldriver.NopLogger{}
		connector, err := mysqldriver.NewConnector(cfg)
		require.NoError(t, err)
		db := sql.OpenDB(&skewedConnector{connector, ahead})
		db.SetMaxOpenConns(mysql.DefaultConnections)
		t.Cleanup(func() { assert.NoError(t, db.Close()) })
		b, err := mysql.New(t.Context(), db, &mysql.Config{Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, b.Close()) })
		return b
	}
}

type skewedConnector struct {
	driver.Connector
	ahead time.Duration
}

// Connect implements driver.Connector.
func (c *skewedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	set := fmt.Sprintf("SET timestamp = UNIX_TIMESTAMP(SYSDATE(6)) + %d", int(c.ahead.Seconds()))
	return &skewedConn{conn.(wholeConn), set}, nil
}

// wholeConn is all that the driver's connections can do.
type wholeConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type skewedConn struct {
	wholeConn
	set string
}

// ExecContext implements driver.ExecerContext.
func (c *skewedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if _, err := c.wholeConn.ExecContext(ctx, c.set, nil); err != nil {
		return nil, err
	}
	return c.wholeConn.ExecContext(ctx, query, args)
}

// QueryContext implements driver.QueryerContext.
func (c *skewedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if _, err := c.wholeConn.ExecContext(ctx, c.set, nil); err != nil {
		return nil, err
	}
	return c.wholeConn.QueryContext(ctx, query, args)
}
