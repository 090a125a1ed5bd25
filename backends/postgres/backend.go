package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// DefaultTablePrefix is what the names of tables begin with.
const DefaultTablePrefix = sqlstore.DefaultTablePrefix

// name is the backend's.
const name = "postgres"

// DefaultConnections is the size of the pool that Open makes.
const DefaultConnections = 10

// MinConnections is the smallest pool that New and NewDB take: an export reads on one connection for as long as it takes.
const MinConnections = 2

// Config configures Open, New and NewDB. Nil and the zero value mean the documented defaults.
type Config struct {
	// Schema is the PostgreSQL schema of the tables. It is made where there is none. Defaults to the first in the
	// connection's search_path; replicas that name this one share everything with those that do not.
	Schema string
	// TablePrefix is what the names of tables and indexes begin with: lower-case letters, digits and underscores, at most
	// 30. Services with different prefixes or schemas do not see each other. Defaults to DefaultTablePrefix.
	TablePrefix string
	// SkipMigrate leaves the schema to a DBA, who runs what Migrations and later MigrationsFrom return. One that is
	// not up to date is ErrNotMigrated.
	SkipMigrate bool
	// NoListen does without LISTEN, which takes one connection out of the pool for good: other processes' events are found
	// by polling alone. It is not used anyway with a pool of less than three, or where notifications do not come through,
	// as behind pgbouncer in transaction mode.
	NoListen bool
	// Logger gets what the backend has to say. Defaults to slog.Default.
	Logger *slog.Logger
}

// maxSchema is how many bytes PostgreSQL keeps of an identifier.
const maxSchema = 63

// names returns where the tables are, or every fault.
func (c *Config) names() (sqlstore.Names, error) {
	if c == nil {
		c = &Config{}
	}
	return sqlstore.NewNames(c.Schema, c.TablePrefix, maxSchema, func(schema string) string {
		return pgx.Identifier{schema}.Sanitize()
	})
}

// Open connects to a PostgreSQL server with a pool of its own, of DefaultConnections unless dsn says otherwise with
// pool_max_conns. The dsn is a URL or a list of key=value, see pgxpool.ParseConfig. See New for the rest.
func Open(ctx context.Context, dsn string, cfg *Config) (*asyncevents.Backend, error) {
	parsed, err := parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("postgres: open: %w", err)
	}
	p, err := pgxpool.NewWithConfig(ctx, parsed)
	if err != nil {
		return nil, fmt.Errorf("postgres: open: %w", err)
	}
	b, err := newBackend(ctx, &pool{Pool: p, own: true}, cfg)
	if err != nil {
		p.Close()
	}
	return b, err
}

// parse returns the configuration of Open's pool. That of pgxpool does not tell whether the dsn gives the size of the pool, but
// to a single connection this is a parameter like any that it does not know.
func parse(dsn string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if _, given := conn.RuntimeParams["pool_max_conns"]; !given {
		cfg.MaxConns = DefaultConnections
	}
	return cfg, nil
}

// New returns a backend on the host's pool, which the host closes after the backend. All that it does with any number of
// events in flight fits into DefaultConnections, and MinConnections are enough to get on.
//
// What the host holds comes on top of that. A processor with a transaction of its own holds a connection until it ends, so
// MaxConns is to be the sum of DefaultConnections, asyncevents.Config.Concurrency, and what the host's other work holds at once:
// pgxpool's default is a few. A pool that the host uses up starves the backend: events are refused, and leases run out.
//
// It brings the schema up to date, whichever replica is first, and returns ErrNewer for one that it does not know. A server
// that cannot be reached is no error: the backend is not ready until it is there, see asyncevents.Service.Ping, and then
// begins by itself.
func New(ctx context.Context, p *pgxpool.Pool, cfg *Config) (*asyncevents.Backend, error) {
	if p == nil {
		return nil, errors.New("postgres: new: pool must not be nil")
	}
	return newBackend(ctx, &pool{Pool: p}, cfg)
}

// NewDB is New on a pool of database/sql with pgx's driver, as sql.Open("pgx", …) makes it. A driver around that one, for
// telemetry say, will do as well when its connections have a method Raw() driver.Conn, as those of otelsql have. It can only
// be told from another driver by a connection: with it, and with any other driver, a server that is away is an error. What is
// MaxConns there is SetMaxOpenConns here: by default there is no limit, but the server has one.
func NewDB(ctx context.Context, db *sql.DB, cfg *Config) (*asyncevents.Backend, error) {
	if db == nil {
		return nil, errors.New("postgres: new: db must not be nil")
	}
	from := newStdDB(db)
	if err := from.check(ctx); err != nil {
		return nil, fmt.Errorf("postgres: new: %w", err)
	}
	return newBackend(ctx, from, cfg)
}

func newBackend(ctx context.Context, from source, cfg *Config) (*asyncevents.Backend, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	names, err := cfg.names()
	limit := from.Limit()
	if limit > 0 && limit < MinConnections {
		err = errors.Join(err, fmt.Errorf("the pool must allow at least %d connections, not %d", MinConnections, limit))
	}
	if err != nil {
		return nil, fmt.Errorf("postgres: new: %w", err)
	}
	log := cfg.Logger
	if log == nil {
		log = slog.Default()
	}
	words := newWords(names)
	from.speak(words)
	db := sqlstore.NewServer(name, from)
	db.Unsynced = unsynced
	if err := db.Prepare(ctx, newMigrator(db, names, cfg.SkipMigrate), log); err != nil {
		return nil, fmt.Errorf("postgres: new: %w", err)
	}
	wakes := &channel{db: db, names: names}
	notifier := newNotifier(wakes, log)
	b, q := sqlstore.NewBackend(db, newDialect(db, from, words), sqlstore.Parts{
		Flushers: 2, Announce: notifier.announce, Join: joinHost(words), Logger: cfg.Logger,
	})
	if !cfg.NoListen && (limit == 0 || limit > MinConnections) {
		l := &listener{db: db, from: from, channel: wakes, bell: q.Wakes(), hearing: hearing{log: log}}
		db.Go(l.run)
	}
	return b, nil
}

// joinHost lets stores work within the host's transactions.
func joinHost(words *sqlstore.Words) sqlstore.Join {
	return func(ctx context.Context, host any) (sqlstore.Tx, error) {
		switch t := host.(type) {
		case pgx.Tx:
			return &tx{ctx, t, words}, nil
		case *sql.Tx:
			return sqlstore.NewStd(ctx, t, words, explain), nil
		}
		return nil, fmt.Errorf("a transaction must be a pgx.Tx or a *sql.Tx, not %T", host)
	}
}
