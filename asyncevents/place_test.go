package asyncevents_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/backends/sqlite"
	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/internal/testserver"
)

// place is a store that can be opened more than once, like the file that several replicas share or that a restarted
// process finds again.
type place func(*testing.T) *asyncevents.Backend

// places make the stores that every case runs on, each new and empty.
var places = map[string]func(*testing.T) place{
	"memory":   memoryPlace,
	"sqlite":   func(t *testing.T) place { return newFile(t).open },
	"postgres": func(t *testing.T) place { return newPostgres(t).open },
	"mysql":    func(t *testing.T) place { return newMySQL(t).open },
	"amqp":     func(t *testing.T) place { return carrying(newFile)(t).open },
}

// shared are those places that are made for replicas, and not needed where there is one: with a broker, the store of one process
// shows as much as that of several. TestBrokerReplicaDies runs on it in the short form, all cases of replicas in the long one.
var shared = map[string]func(*testing.T) place{
	"amqp on postgres": func(t *testing.T) place { return carrying(newPostgres)(t).open },
}

// local are the names of those places that need no server.
var local = []string{"memory", "sqlite"}

// servers are those places that are on a database server, where tests can go past the library. None has a broker: what is tested
// there are transactions of the host's, which do not reach a broker, statements and sessions of the database, or its clock, of
// which a broker knows nothing. What breaks with a broker has cases of its own.
var servers = map[string]func(*testing.T) *database{
	"postgres": newPostgres,
	"mysql":    newMySQL,
}

// stores are the places in which tables can be reached past the library. In the one with a broker, those of messages are empty.
var stores = map[string]func(*testing.T) *database{
	"sqlite":   newFile,
	"postgres": newPostgres,
	"mysql":    newMySQL,
	"amqp":     carrying(newFile),
}

// onEachPlace runs a case on every kind of place.
func onEachPlace(t *testing.T, test func(*testing.T, place)) {
	t.Parallel()
	all := maps.Clone(places)
	if soak.On() {
		maps.Copy(all, shared)
	}
	onEachOf(t, all, test)
}

// onEach runs a case on a backend of every kind.
func onEach(t *testing.T, test func(*testing.T, *asyncevents.Backend)) {
	t.Parallel()
	onEachOf(t, places, func(t *testing.T, open place) { test(t, open(t)) })
}

// onEachLocal runs a case on a backend of every kind that needs no server; in the long form, on all.
func onEachLocal(t *testing.T, test func(*testing.T, *asyncevents.Backend)) {
	t.Parallel()
	chosen := maps.Clone(places)
	maps.DeleteFunc(chosen, func(name string, _ func(*testing.T) place) bool {
		return !slices.Contains(local, name) && !soak.On()
	})
	onEachOf(t, chosen, func(t *testing.T, open place) { test(t, open(t)) })
}

// few is a number for where each of so many things takes its time: a tenth of it on a server, unless the form is long.
func few(b *asyncevents.Backend, n int) int {
	if slices.Contains(local, b.Name) {
		return n
	}
	return soak.Long(n/10, n)
}

// onEachServer runs a case on every kind of database server.
func onEachServer(t *testing.T, test func(*testing.T, *database)) {
	t.Parallel()
	onEachOf(t, servers, test)
}

// onEachStore runs a case on every place whose store is looked at past the library.
func onEachStore(t *testing.T, test func(*testing.T, *database)) {
	t.Parallel()
	onEachOf(t, stores, test)
}

// onEachDatabase runs a case on everything that is looked at past the library, and has its messages there.
func onEachDatabase(t *testing.T, test func(*testing.T, *database)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, newFile(t))
	})
	onEachOf(t, servers, test)
}

func onEachOf[P any](t *testing.T, makers map[string]func(*testing.T) P, test func(*testing.T, P)) {
	for name, make := range makers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, make(t))
		})
	}
}

// memoryPlace is one backend: what memory holds is gone with it.
func memoryPlace(*testing.T) place {
	b := memory.New()
	return func(*testing.T) *asyncevents.Backend { return b }
}

// database is a place that can also be reached past the library.
type database struct {
	// kind is a key of places.
	kind string
	// dsn is how to connect to the database, in which the tables are at once.
	dsn string
	// prefix is what the names of tables begin with.
	prefix string
	// open opens a backend that is closed when the test ends, and connect one with another DSN.
	open    place
	connect func(t *testing.T, dsn string) *asyncevents.Backend
	// pooled opens a backend on a pool of the host's, of so many connections, and tells how many of them are open.
	pooled func(t *testing.T, most int) (b *asyncevents.Backend, opened func() int)
	// driver is the name of the driver for database/sql.
	driver string
	// another makes one more empty database of the kind.
	another func(*testing.T) *database
	// schema asks for a line about each thing in the schema.
	schema string
	// sessions asks for the statements that terminate the connections of backends.
	sessions string
	// zoned returns a DSN whose sessions are in another time zone.
	zoned func(*testing.T) string
	// through returns where the server listens, and how to open a backend that connects to another address instead.
	through func(*testing.T) (address string, open func(address string) *asyncevents.Backend)
	// skewed opens backends for whom the server's clock is ahead of ours by so much.
	skewed func(t *testing.T, ahead time.Duration) place
	// renumber has a table (%s) go on with a key (%d).
	renumber string
}

// sql returns a pool of connections past the library.
func (d *database) sql(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

// exec runs statements past the library and returns how many rows the last one changed.
func (d *database) exec(t *testing.T, statements ...string) (changed int64) {
	t.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	for _, statement := range statements {
		result, err := db.ExecContext(context.Background(), statement)
		require.NoError(t, err, statement)
		changed, err = result.RowsAffected()
		require.NoError(t, err)
	}
	return changed
}

// sever terminates the connections of backends and returns how many there were.
func (d *database) sever(t *testing.T) int {
	t.Helper()
	statements := d.texts(t, d.sessions)
	db := d.sql(t)
	for _, statement := range statements {
		_, _ = db.ExecContext(t.Context(), statement) // it may have ended by itself
	}
	return len(statements)
}

// hold runs a statement in a transaction that stays open until the test ends.
func (d *database) hold(t *testing.T, level sql.IsolationLevel, statement string) {
	t.Helper()
	tx, err := d.sql(t).BeginTx(context.Background(), &sql.TxOptions{Isolation: level})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, tx.Rollback()) })
	_, err = tx.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

// texts returns the only column of a query.
func (d *database) texts(t *testing.T, query string) (texts []string) {
	t.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { assert.NoError(t, rows.Close()) }()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		texts = append(texts, text)
	}
	require.NoError(t, rows.Err())
	return texts
}

// tables describes the schema.
func (d *database) tables(t *testing.T) []string {
	t.Helper()
	return d.texts(t, d.schema)
}

// triggers are the statements that make a trigger with which a change fails at a moment, "BEFORE INSERT ON table", and
// those that take it away again.
var triggers = map[string]func(moment, table string) (injure, mend []string){
	"sqlite": func(moment, table string) (injure, mend []string) {
		return []string{`CREATE TRIGGER fault ` + moment + table + ` BEGIN SELECT RAISE(ABORT, 'injected'); END`},
			[]string{`DROP TRIGGER fault`}
	},
	"postgres": func(moment, table string) (injure, mend []string) {
		return []string{
			`CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'injected'; END $$`,
			`CREATE TRIGGER fault ` + moment + table + ` FOR EACH ROW EXECUTE FUNCTION fault()`,
		}, []string{`DROP TRIGGER fault ON ` + table, `DROP FUNCTION fault`}
	},
	"mysql": func(moment, table string) (injure, mend []string) {
		return []string{`CREATE TRIGGER fault ` + moment + table +
			` FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'injected'`}, []string{`DROP TRIGGER fault`}
	},
}

// injure has a change fail at a moment such as "BEFORE INSERT ON dead_letters", until mend is called.
func (d *database) injure(t *testing.T, moment string) (mend func()) {
	t.Helper()
	at := strings.LastIndex(moment, " ") + 1
	injure, mendWith := triggers[d.kind](moment[:at], d.prefix+moment[at:])
	d.exec(t, injure...)
	return func() { d.exec(t, mendWith...) }
}

// newFile is a database in a file.
func newFile(t *testing.T) *database {
	path := filepath.Join(t.TempDir(), "events.db")
	return &database{
		kind: "sqlite", dsn: "file:" + path + "?_pragma=busy_timeout(10000)", driver: "sqlite", connect: openFile,
		open: func(t *testing.T) *asyncevents.Backend { return openFile(t, path) }, another: newFile,
		schema: `SELECT type || ' ' || name FROM sqlite_schema
			UNION ALL SELECT 'version ' || user_version FROM pragma_user_version ORDER BY 1`,
	}
}

func openFile(t *testing.T, path string) *asyncevents.Backend {
	t.Helper()
	b, err := sqlite.Open(t.Context(), path, &sqlite.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	return b
}

// crowd bounds how many tests use servers at the same time: each opens up to five backends of ten connections.
var crowd = make(chan struct{}, 4)

// join waits until there is room on the servers, and takes it until the test ends.
func join(t *testing.T) {
	t.Helper()
	crowd <- struct{}{}
	t.Cleanup(func() { <-crowd })
}

// newPostgres is a schema of its own.
func newPostgres(t *testing.T) *database {
	t.Helper()
	testserver.Postgres(t)
	join(t)
	return newPostgresSchema(t)
}

func newPostgresSchema(t *testing.T) *database {
	t.Helper()
	server, schema := testserver.PostgresSchema(t)
	return postgresAt(with(t, with(t, server, "search_path", schema), "application_name", schema), schema)
}

// postgresAt is a schema, to which the DSN leads.
func postgresAt(dsn, schema string) *database {
	d := &database{
		kind: "postgres", dsn: dsn, driver: "pgx", prefix: postgres.DefaultTablePrefix, another: newPostgresSchema,
		schema: `SELECT table_name || ' ' || column_name FROM information_schema.columns WHERE table_schema = current_schema
			UNION ALL SELECT 'index ' || indexname FROM pg_indexes WHERE schemaname = current_schema
			UNION ALL SELECT 'version ' || version FROM redrive_schema ORDER BY 1`,
		sessions: `SELECT 'SELECT pg_terminate_backend(' || pid || ')' FROM pg_stat_activity
			WHERE application_name = current_schema AND pid <> pg_backend_pid()`,
		zoned:    func(t *testing.T) string { return with(t, dsn, "timezone", "Asia/Kathmandu") },
		renumber: `ALTER TABLE %s ALTER COLUMN id RESTART WITH %d`,
	}
	d.connect = func(t *testing.T, dsn string) *asyncevents.Backend {
		t.Helper()
		b, err := postgres.Open(t.Context(), dsn, &postgres.Config{
			Schema: schema, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, b.Close()) })
		return b
	}
	d.open = func(t *testing.T) *asyncevents.Backend { return d.connect(t, dsn) }
	d.through = func(t *testing.T) (string, func(string) *asyncevents.Backend) {
		u, err := url.Parse(with(t, dsn, "sslmode", "disable"))
		require.NoError(t, err)
		return u.Host, func(address string) *asyncevents.Backend {
			u.Host = address
			return d.connect(t, u.String())
		}
	}
	d.skewed = func(t *testing.T, ahead time.Duration) place { return skewedPostgres(t, d, schema, ahead) }
	d.pooled = func(t *testing.T, most int) (*asyncevents.Backend, func() int) { return pooledPostgres(t, dsn, most) }
	return d
}

func pooledPostgres(t *testing.T, dsn string, most int) (b *asyncevents.Backend, opened func() int) {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	require.NoError(t, err)
	cfg.MaxConns = int32(most) //nolint:gosec // few
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b, err = postgres.New(t.Context(), pool, &postgres.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	return b, func() int { return int(pool.Stat().TotalConns()) }
}

// skewedPostgres puts functions that tell another time before those of the server.
func skewedPostgres(t *testing.T, d *database, schema string, ahead time.Duration) place {
	t.Helper()
	for _, name := range []string{"now", "statement_timestamp", "transaction_timestamp", "clock_timestamp"} {
		d.exec(t, fmt.Sprintf(`CREATE FUNCTION %s.%s() RETURNS timestamptz LANGUAGE sql STABLE
			AS $$ SELECT pg_catalog.%[2]s() + %d * interval '1 second' $$`, schema, name, int(ahead.Seconds())))
	}
	skewed := with(t, d.dsn, "search_path", schema+",pg_catalog")
	return func(t *testing.T) *asyncevents.Backend { return d.connect(t, skewed) }
}

// with adds a parameter to the URL of a server.
func with(t *testing.T, dsn, name, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	values := u.Query()
	values.Set(name, value)
	u.RawQuery = values.Encode()
	return u.String()
}
