package mysql_test

import (
	"database/sql"
	"testing"

	driver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/backendtest"
	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness makes backends on empty databases, each with a pool of its own as open makes it.
func harness(open func(t *testing.T, dsn string) *asyncevents.Backend) backendtest.Harness {
	return backendtest.Harness{Persistent: true, New: func(t *testing.T) backendtest.Instance {
		dsn := testserver.MySQLDatabase(t)
		again := func(t *testing.T) *asyncevents.Backend { return open(t, dsn) }
		return backendtest.Instance{Backend: again(t), Reopen: again}
	}}
}

func openOwn(t *testing.T, dsn string) *asyncevents.Backend {
	b, err := mysql.Open(t.Context(), dsn, nil)
	require.NoError(t, err)
	return b
}

// pool is the host's, of so many connections with these parameters.
func pool(t *testing.T, dsn string, connections int, params string) *sql.DB {
	t.Helper()
	cfg, err := driver.ParseDSN(dsn + params)
	require.NoError(t, err)
	cfg.Logger = &driver.NopLogger{}
	connector, err := driver.NewConnector(cfg)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

func openOn(connections int, params string) func(t *testing.T, dsn string) *asyncevents.Backend {
	return func(t *testing.T, dsn string) *asyncevents.Backend {
		b, err := mysql.New(t.Context(), pool(t, dsn, connections, params), nil)
		require.NoError(t, err)
		return b
	}
}

func TestBackend(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, harness(openOwn))
}

func TestBackendOnTwoConnections(t *testing.T) {
	t.Parallel()
	backendtest.RunVariant(t, harness(openOn(mysql.MinConnections, "")))
}

// What a host may have set up, for reasons of its own, changes nothing.
func TestBackendOnOddConnections(t *testing.T) {
	t.Parallel()
	for name, params := range map[string]string{
		"found rows": "?clientFoundRows=true&interpolateParams=true&time_zone=%27-07%3A00%27&parseTime=true" +
			"&loc=America%2FSt_Johns&sql_mode=%27ANSI,NO_BACKSLASH_ESCAPES%27",
		"lax": "?charset=latin1&sql_mode=%27%27&time_zone=%27%2B13%3A00%27&" +
			"innodb_lock_wait_timeout=5&" + isolation(t) + "=%27SERIALIZABLE%27",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backendtest.RunVariant(t, harness(openOn(mysql.DefaultConnections, params)))
		})
	}
}

// isolation is the variable of that, which MySQL and MariaDB call by different names.
func isolation(t *testing.T) (variable string) {
	t.Helper()
	var value string
	row := pool(t, testserver.MySQL(t), 1, "").QueryRowContext(t.Context(), "SHOW SESSION VARIABLES LIKE 'tx_isolation'")
	if err := row.Scan(&variable, &value); err != nil {
		return "transaction_isolation"
	}
	return variable
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	backendtest.PubSub(t, harness(openOwn))
}
