package mysql

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
	"github.com/redrive-go/redrive/internal/testserver"
)

// A DBA brings a schema that stands to what a later version of the library wants, which looks at the result and no more.
func TestMigratedByHandFromAVersion(t *testing.T) {
	t.Parallel()
	dsn := testserver.MySQLDatabase(t)
	b, err := Open(t.Context(), dsn, nil)
	require.NoError(t, err)
	require.NoError(t, b.Close())

	n, err := (*Config)(nil).names()
	require.NoError(t, err)
	p, err := connect(dsn)
	require.NoError(t, err)
	from := newSource(p, true, n)
	db := sqlstore.NewServer(name, from)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	later := newMigrator(from, n, true)
	later.Versions = append(later.Versions[:1:1], "\nCREATE TABLE IF NOT EXISTS {s}{p}later (id BIGINT);\n")
	look := func() error { return sqlstore.NewServer(name, from).Prepare(t.Context(), later, nil) }
	require.ErrorContains(t, look(), "version 1 of 2")

	script, err := later.Script(1)
	require.NoError(t, err)
	assert.NotContains(t, script, "redrive_messages")
	assert.Empty(t, testserver.MySQLClient(t, dsn, script))
	require.NoError(t, look())
	_, err = db.Direct(t.Context()).Exec("INSERT INTO {later} VALUES (1)")
	require.NoError(t, err)

	for _, old := range []int{0, 1} {
		script, err := later.Script(old)
		require.NoError(t, err)
		assert.Contains(t, testserver.MySQLClient(t, dsn, script), "Duplicate entry '1'")
		_, last, _ := strings.Cut(script, "\n-- Version ") // as of a client that goes on after an error
		assert.Empty(t, testserver.MySQLClient(t, dsn, "-- "+last))
		require.NoError(t, look(), "the version stays")
	}
}
