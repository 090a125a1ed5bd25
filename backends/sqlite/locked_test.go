package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/sqlite"
)

// locked lets another connection hold the right to write until unlock.
func locked(t *testing.T, path string) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_txlock=immediate&_pragma=busy_timeout(1000)")
	require.NoError(t, err)
	tx, err := db.BeginTx(context.WithoutCancel(t.Context()), nil)
	require.NoError(t, err)
	return sync.OnceFunc(func() {
		assert.NoError(t, tx.Rollback())
		assert.NoError(t, db.Close())
	})
}

// Many callers of a file that another process keeps locked all hear of it soon, not one after the other.
func TestLockedByAnother(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	b, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, b.Close()) }()
	unlock := locked(t, path)
	defer unlock()

	impatient, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	started := time.Now()
	require.ErrorIs(t, b.Ping(impatient), context.DeadlineExceeded)
	assert.Less(t, time.Since(started), 2*time.Second, "a ping does not wait longer than its context")

	var calls sync.WaitGroup
	for i := range 20 {
		calls.Go(func() {
			_, err := b.Events.Accept(t.Context(), asyncevents.Acceptance{
				CorrelationID: strconv.Itoa(i), AcceptedAt: time.Now(), Topic: "events",
				Message: message.NewMessage(strconv.Itoa(i), []byte("{}")),
			})
			assert.ErrorContains(t, err, "locked")
		})
		calls.Go(func() { assert.ErrorContains(t, b.Publisher.Publish("other", message.NewMessage("x", nil)), "locked") })
		calls.Go(func() {
			assert.ErrorContains(t, b.Audit.Append(t.Context(), asyncevents.AuditRow{Action: "a"}), "locked")
		})
	}
	calls.Wait()
	assert.Less(t, time.Since(started), 8*time.Second, "60 callers wait as long as one")

	unlock()
	require.NoError(t, b.Ping(t.Context()))
	require.NoError(t, b.Audit.Append(t.Context(), asyncevents.AuditRow{Action: "a"}))
}
