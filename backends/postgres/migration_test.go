package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
	"github.com/redrive-go/redrive/internal/testserver"
)

// A DBA brings a schema that stands to what a later version of the library wants, which looks at the result and no more.
func TestMigratedByHandFromAVersion(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	cfg := &Config{Schema: schema}
	b, err := Open(t.Context(), dsn, cfg)
	require.NoError(t, err)
	require.NoError(t, b.Close())

	n, err := cfg.names()
	require.NoError(t, err)
	p, err := pgxpool.New(t.Context(), dsn)
	require.NoError(t, err)
	from := &pool{Pool: p, own: true}
	from.speak(newWords(n))
	db := sqlstore.NewServer(name, from)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	later := newMigrator(db, n, true)
	later.Versions = append(later.Versions[:1:1], "\nCREATE TABLE {s}{p}later (id bigint);\n")
	look := func() error { return sqlstore.NewServer(name, from).Prepare(t.Context(), later, nil) }
	require.ErrorContains(t, look(), "version 1 of 2")

	script, err := transaction(later, 1)
	require.NoError(t, err)
	assert.NotContains(t, script, "redrive_messages")
	assert.Empty(t, testserver.Psql(t, dsn, script))
	require.NoError(t, look())
	_, err = db.Direct(t.Context()).Exec("INSERT INTO {later} VALUES (1)")
	require.NoError(t, err)
	assert.Contains(t, testserver.Psql(t, dsn, script), "duplicate key", "it is done already")
	require.NoError(t, look())
}

// The tables are where a connection finds them, which may be behind the schema where it would make new ones.
func TestLocated(t *testing.T) {
	t.Parallel()
	dsn, first := testserver.PostgresSchema(t)
	_, second := testserver.PostgresSchema(t)
	p, err := pgxpool.New(t.Context(), dsn+"&search_path="+first+","+second)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	from := &pool{Pool: p, words: newWords(sqlstore.Names{})}
	requireLocated := func(want string, cfg *Config) {
		t.Helper()
		n, err := cfg.names()
		require.NoError(t, err)
		n, err = located(from.Direct(t.Context()), n)
		require.NoError(t, err)
		assert.Equal(t, want, n.Schema)
	}
	requireLocated(first, nil)
	b, err := Open(t.Context(), dsn, &Config{Schema: second})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	requireLocated(second, nil)
	requireLocated(first, &Config{TablePrefix: "other_"})
	requireLocated("elsewhere", &Config{Schema: "elsewhere"})
}
