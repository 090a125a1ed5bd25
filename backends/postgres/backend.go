package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// DefaultTablePrefix is what the names of tables begin with.
const DefaultTablePrefix = "redrive_"

// DefaultConnections is the size of the pool that Open makes.
const DefaultConnections = 10

// MinConnections is the smallest pool that New and NewDB take: an export reads on one connection for as long as it takes.
const MinConnections = 2

// Config configures Open, New and NewDB. Nil and the zero value mean the documented defaults.
type Config struct {
	// Schema is the PostgreSQL schema of the tables. It is made where there is none. Defaults to the first in the
	// connection's search_path.
	Schema string
	// TablePrefix is what the names of tables and indexes begin with: lower-case letters, digits and underscores, at most
	// 30. Services with different prefixes or schemas do not see each other. Defaults to DefaultTablePrefix.
	TablePrefix string
	// SkipMigrate leaves the schema to a DBA, who runs what Migrations returns. One that is not up to date is ErrNotMigrated.
	SkipMigrate bool
	// NoListen does without LISTEN, which takes one connection out of the pool for good: other processes' events are found
	// by polling alone. It is not used anyway with a pool of less than three, or where notifications do not come through,
	// as behind pgbouncer in transaction mode.
	NoListen bool
	// Logger gets what the backend has to say. Defaults to slog.Default.
	Logger *slog.Logger
}

var goodPrefix = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,29}$`)

// names returns where the tables are, or every fault.
func (c *Config) names() (n names, err error) {
	n.prefix = DefaultTablePrefix
	if c == nil {
		return n, nil
	}
	var faults []error
	if c.TablePrefix != "" {
		n.prefix = c.TablePrefix
	}
	if !goodPrefix.MatchString(n.prefix) {
		faults = append(faults, fmt.Errorf(
			"TablePrefix must be 1 to 30 lower-case letters, digits and underscores, not %q", n.prefix))
	}
	if n.schema = c.Schema; len(n.schema) > 63 {
		faults = append(faults, fmt.Errorf("Schema must have at most 63 bytes, not %d", len(n.schema)))
	}
	return n, errors.Join(faults...)
}

// Open connects to a PostgreSQL server with a pool of its own, of DefaultConnections unless dsn says otherwise with
// pool_max_conns. The dsn is a URL or a list of key=value, see pgxpool.ParseConfig. See New for the rest.
func Open(ctx context.Context, dsn string, cfg *Config) (*asyncevents.Backend, error) {
	parsed, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("postgres: open: %w", err)
	}
	if !regexp.MustCompile(`\bpool_max_conns\b`).MatchString(dsn) {
		parsed.MaxConns = DefaultConnections
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

// New returns a backend on the host's pool, which the host closes after the backend. All that it does with any number of
// events in flight fits into 10 connections, and MinConnections are enough to get on.
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

// NewDB is New on a pool of database/sql with pgx's driver, as sql.Open("pgx", …) makes it.
func NewDB(ctx context.Context, db *sql.DB, cfg *Config) (*asyncevents.Backend, error) {
	if db == nil {
		return nil, errors.New("postgres: new: db must not be nil")
	}
	return newBackend(ctx, &stdDB{DB: db}, cfg)
}

func newBackend(ctx context.Context, from source, cfg *Config) (*asyncevents.Backend, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	names, err := cfg.names()
	if n := from.limit(); n > 0 && n < MinConnections {
		err = errors.Join(err, fmt.Errorf("the pool must allow at least %d connections, not %d", MinConnections, n))
	}
	if err != nil {
		return nil, fmt.Errorf("postgres: new: %w", err)
	}
	log := cfg.Logger
	if log == nil {
		log = slog.Default()
	}
	words := newWords(names)
	switch s := from.(type) {
	case *pool:
		s.words = words
	case *stdDB:
		s.words = words
	}
	db := newDatabase(from)
	err = db.prepare(ctx, migrator{names, cfg.SkipMigrate}, func(err error) {
		log.Warn("postgres: the database cannot be used yet; it is tried again", "error", err)
	})
	if err != nil {
		db.end()
		return nil, fmt.Errorf("postgres: new: %w", err)
	}
	notifier := newNotifier(db, names.channel(), log)
	b, q := sqlstore.NewBackend(db, &dialect{db: db}, sqlstore.Parts{
		Flushers: 2, Announce: notifier.announce, Join: joinHost(words), Logger: cfg.Logger,
	})
	if n := from.limit(); !cfg.NoListen && (n == 0 || n > MinConnections) {
		l := &listener{db: db, channel: names.channel(), bell: q.Wakes(), log: log}
		db.work.Go(l.run)
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
