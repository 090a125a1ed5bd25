package testserver

import (
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPostgresSchema(t *testing.T) {
	t.Parallel()
	const count = "SELECT count(*) FROM pg_namespace WHERE nspname = "
	var dsn, schema string
	t.Run("used", func(t *testing.T) {
		dsn, schema = PostgresSchema(t)
		_, other := PostgresSchema(t)
		assert.NotEqual(t, schema, other)
		assert.Equal(t, 1, queryPostgres(t, dsn, "CREATE TABLE "+schema+".a (n int)", count+"'"+schema+"'"))
	})
	if dsn != "" {
		assert.Zero(t, queryPostgres(t, dsn, count+"'"+schema+"'"))
	}
}

func TestPostgresSchemaDSN(t *testing.T) {
	t.Parallel()
	const count = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND schemaname <> 'public'"
	dsn := PostgresSchemaDSN(t)
	assert.Equal(t, 1, queryPostgres(t, dsn, "CREATE TABLE a (n int)", count))
	assert.Zero(t, queryPostgres(t, PostgresSchemaDSN(t), "SELECT 1", count), "each is another")
}

func TestPostgresDatabase(t *testing.T) {
	t.Parallel()
	var dsn string
	t.Run("used", func(t *testing.T) {
		dsn = PostgresDatabase(t)
		assert.NotEqual(t, dsn, PostgresDatabase(t))
		assert.Zero(t, queryPostgres(t, dsn, "CREATE TABLE a (n int)", "SELECT count(*) FROM a"))
	})
	if dsn != "" {
		assert.Error(t, pingPostgres(t.Context(), dsn), "it is gone")
	}
}

func TestMySQLDatabase(t *testing.T) {
	t.Parallel()
	var dsn string
	t.Run("used", func(t *testing.T) {
		dsn = MySQLDatabase(t)
		assert.NotEqual(t, dsn, MySQLDatabase(t))
		assert.Zero(t, queryMySQL(t, dsn, "CREATE TABLE a (n int)", "SELECT count(*) FROM a"))
	})
	if dsn != "" {
		var unknown *mysql.MySQLError
		require.ErrorAs(t, pingMySQL(t.Context(), dsn), &unknown)
		assert.EqualValues(t, 1049, unknown.Number, "it is gone")
	}
}
