package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// name is the backend's.
const name = "mysql"

// DefaultTablePrefix is what the names of tables begin with.
const DefaultTablePrefix = sqlstore.DefaultTablePrefix

// DefaultConnections is the size of the pool that Open makes.
const DefaultConnections = 10

// MinConnections is the smallest pool that New takes: an export reads on one connection for as long as it takes.
const MinConnections = 2

const (
	// idleTime is for how long Open's pool keeps a connection that nobody needs: less than servers do.
	idleTime = 5 * time.Minute
	// dialTimeout bounds the making of a connection of Open's pool, unless the dsn does.
	dialTimeout = 10 * time.Second
)

// Config configures Open and New. Nil and the zero value mean the documented defaults.
type Config struct {
	// Schema is the database of the tables, which must exist. Defaults to the connection's.
	Schema string
	// TablePrefix is what the names of tables begin with: lower-case letters, digits and underscores, at most 30. Services
	// with different prefixes or databases do not see each other. Defaults to DefaultTablePrefix.
	TablePrefix string
	// SkipMigrate leaves the schema to a DBA, who runs what Migrations and later MigrationsFrom return. One that is
	// not up to date is ErrNotMigrated.
	SkipMigrate bool
	// Logger gets what the backend has to say. Defaults to slog.Default.
	Logger *slog.Logger
}

// maxSchema is how long the name of a database may be.
const maxSchema = 64

// names returns where the tables are, or every fault.
func (c *Config) names() (sqlstore.Names, error) {
	if c == nil {
		c = &Config{}
	}
	return sqlstore.NewNames(c.Schema, c.TablePrefix, maxSchema, func(schema string) string {
		return "`" + strings.ReplaceAll(schema, "`", "``") + "`"
	})
}

// Open connects to a MySQL or MariaDB server with a pool of its own, of DefaultConnections. The dsn is that of
// github.com/go-sql-driver/mysql: user:password@tcp(host:port)/database. Parameters travel within statements, which saves
// a round trip for each, and the driver asks the server for the size of packets unless the dsn says it. See New for the
// rest.
func Open(ctx context.Context, dsn string, cfg *Config) (*asyncevents.Backend, error) {
	db, err := connect(dsn)
	if err != nil {
		return nil, fmt.Errorf("mysql: open: %w", err)
	}
	b, err := newBackend(ctx, db, true, cfg)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return b, nil
}

// connect returns a pool. It does not reach out to the server yet.
func connect(dsn string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.InterpolateParams = true
	cfg.Collation = "" // some do not go with that, and nothing here depends on it
	if err := cfg.Apply(mysql.Charset("utf8mb4", "")); err != nil {
		return nil, err
	}
	if cfg.MaxAllowedPacket == mysql.NewConfig().MaxAllowedPacket {
		cfg.MaxAllowedPacket = 0 // as the server says
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = dialTimeout
	}
	cfg.Logger = &mysql.NopLogger{} // what it logs it returns as well
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(DefaultConnections)
	db.SetMaxIdleConns(DefaultConnections)
	db.SetConnMaxIdleTime(idleTime)
	return db, nil
}

// New returns a backend on the host's pool, which the host closes after the backend. All that it does with any number of
// events in flight fits into DefaultConnections, and MinConnections are enough to get on. The driver must be
// github.com/go-sql-driver/mysql; with its parameter interpolateParams=true each statement takes one round trip less.
//
// What the host holds comes on top of that. A processor with a transaction of its own holds a connection until it ends, so
// SetMaxOpenConns is to get the sum of DefaultConnections, asyncevents.Config.Concurrency, and what the host's other work holds
// at once: by default there is no limit, but the server has one. A pool that the host uses up starves the backend: events are
// refused, and leases run out.
//
// It brings the schema up to date, whichever replica is first, and returns ErrNewer for one that it does not know. A server
// that cannot be reached is no error: the backend is not ready until it is there, see asyncevents.Service.Ping, and then
// begins by itself.
func New(ctx context.Context, db *sql.DB, cfg *Config) (*asyncevents.Backend, error) {
	if db == nil {
		return nil, errors.New("mysql: new: db must not be nil")
	}
	return newBackend(ctx, db, false, cfg)
}

func newBackend(ctx context.Context, pool *sql.DB, own bool, cfg *Config) (*asyncevents.Backend, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	names, err := cfg.names()
	from := newSource(pool, own, names)
	if n := from.Limit(); n > 0 && n < MinConnections {
		err = errors.Join(err, fmt.Errorf("the pool must allow at least %d connections, not %d", MinConnections, n))
	}
	if err != nil {
		return nil, fmt.Errorf("mysql: new: %w", err)
	}
	log := cfg.Logger
	if log == nil {
		log = slog.Default()
	}
	db := sqlstore.NewServer(name, from)
	db.Unsynced = unsynced
	if err := db.Prepare(ctx, newMigrator(from, names, cfg.SkipMigrate), log); err != nil {
		return nil, fmt.Errorf("mysql: new: %w", err)
	}
	b, _ := sqlstore.NewBackend(db, &dialect{db: db}, sqlstore.Parts{
		Flushers: 2, Join: joinHost(from), Logger: cfg.Logger,
	})
	return b, nil
}

// joinHost lets stores work within the host's transactions.
func joinHost(from *sqlstore.StdSource) sqlstore.Join {
	return func(ctx context.Context, host any) (sqlstore.Tx, error) {
		t, ok := host.(*sql.Tx)
		if !ok {
			return nil, fmt.Errorf("a transaction must be a *sql.Tx, not %T", host)
		}
		return from.Tx(ctx, t), nil
	}
}
