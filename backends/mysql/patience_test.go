package mysql

import (
	"context"
	"database/sql"
	"log/slog"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/testserver"
)

// The host's connections wait for locks as long as before, whether or not there was one to wait for.
func TestSessionsWaitAsBefore(t *testing.T) {
	t.Parallel()
	testserver.MySQL(t)
	db, err := sql.Open("mysql", testserver.MySQLDatabase(t)+"?innodb_lock_wait_timeout=7")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	db.SetMaxOpenConns(MinConnections)
	db.SetMaxIdleConns(MinConnections)
	b, err := New(t.Context(), db, &Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	acceptance := func(id string) asyncevents.Acceptance {
		return asyncevents.Acceptance{
			CorrelationID: id, AcceptedAt: time.Now(), Topic: "t", Message: message.NewMessage(id, []byte("{}")),
		}
	}
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = b.Transactions.AcceptTx(t.Context(), tx, acceptance("held"))
	require.NoError(t, err)
	_, err = b.Events.Accept(t.Context(), acceptance("free"))
	require.NoError(t, err)
	_, err = b.Events.Accept(t.Context(), acceptance("held"))
	require.Error(t, err)
	require.NoError(t, tx.Rollback())
	for range MinConnections {
		conn, err := db.Conn(context.Background())
		require.NoError(t, err)
		defer func() { assert.NoError(t, conn.Close()) }()
		var seconds int
		require.NoError(t, conn.QueryRowContext(t.Context(), "SELECT @@innodb_lock_wait_timeout").Scan(&seconds))
		assert.Equal(t, 7, seconds)
	}
}
