package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"log/slog"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/internal/testserver"
)

// around is a driver around pgx's, as a library for telemetry is one.
type around struct {
	driver.Connector
	wrap func(*stdlib.Conn) driver.Conn
}

func (a around) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := a.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return a.wrap(conn.(*stdlib.Conn)), nil
}

func (a around) Driver() driver.Driver { return aroundDriver{} }

type aroundDriver struct{ driver.Driver }

// Connections around pgx's: one that hands it out, one that hands out the former, one that does not, and one that hides all
// that a connection can do besides what it must.
type (
	open   struct{ *stdlib.Conn }
	twice  struct{ open }
	closed struct{ *stdlib.Conn }
	poor   struct{ driver.Conn }
)

func (o open) Raw() driver.Conn  { return o.Conn }
func (t twice) Raw() driver.Conn { return t.open }
func (p poor) Raw() driver.Conn  { return p.Conn }

// poolAround is a pool of connections around pgx's.
func poolAround(t *testing.T, dsn string, wrap func(*stdlib.Conn) driver.Conn) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	db := sql.OpenDB(around{stdlib.GetConnector(*cfg), wrap})
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	return db
}

// away is the DSN of a server that is not there.
const away = "postgres://127.0.0.1:1/x?sslmode=disable"

func TestDriversAroundPgx(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(*stdlib.Conn) driver.Conn{
		"once":  func(c *stdlib.Conn) driver.Conn { return open{c} },
		"twice": func(c *stdlib.Conn) driver.Conn { return twice{open{c}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, schema := testserver.PostgresSchema(t)
			b, err := postgres.NewDB(t.Context(), poolAround(t, dsn, wrap), &postgres.Config{Schema: schema})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, b.Close()) })
			requireWorking(t, b)
			messages := subscribed(t, b, 1)
			require.NoError(t, b.Publisher.Publish("t", message.NewMessage("m", []byte("x"))))
			select {
			case msg := <-messages:
				assert.Equal(t, "x", string(msg.Payload))
				msg.Ack()
			case <-time.After(patience):
				t.Fatal("the message was not claimed")
			}
		})
	}
}

// Whatever is not pgx's is refused at once, server or not.
func TestForeignDrivers(t *testing.T) {
	t.Parallel()
	open := func(c *stdlib.Conn) driver.Conn { return open{c} }
	for name, c := range map[string]struct {
		pool func(t *testing.T) *sql.DB
		why  string
	}{
		"another, its server away": {func(t *testing.T) *sql.DB {
			connector, err := mysql.NewConnector(&mysql.Config{Net: "tcp", Addr: "127.0.0.1:1", Logger: &mysql.NopLogger{}})
			require.NoError(t, err)
			db := sql.OpenDB(connector)
			t.Cleanup(func() { assert.NoError(t, db.Close()) })
			return db
		}, "MySQLDriver"},
		"around pgx's, the server away": {func(t *testing.T) *sql.DB {
			return poolAround(t, away, open)
		}, "aroundDriver"},
		"around pgx's, which it keeps": {func(t *testing.T) *sql.DB {
			return poolAround(t, testserver.Postgres(t), func(c *stdlib.Conn) driver.Conn { return closed{c} })
		}, "closed"},
		"around pgx's, for simple values": {func(t *testing.T) *sql.DB {
			return poolAround(t, testserver.Postgres(t), func(c *stdlib.Conn) driver.Conn { return poor{c} })
		}, "poor, which takes no arrays"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := postgres.NewDB(t.Context(), c.pool(t), nil)
			require.ErrorContains(t, err, "must be one of pgx")
			require.ErrorContains(t, err, c.why)
		})
	}
}

// pgx's own driver is known for what it is, so that its server is waited for.
func TestOwnDriverServerAway(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("pgx", away)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	b, err := postgres.NewDB(t.Context(), db, &postgres.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.ErrorContains(t, b.Ping(t.Context()), "cannot be used")
	require.NoError(t, b.Close())
}
