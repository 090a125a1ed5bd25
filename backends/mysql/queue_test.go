package mysql

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
	"github.com/redrive-go/redrive/internal/testserver"
)

// bundle is a database with its dialect, and the pool below.
type bundle struct {
	*dialect
	pool *sql.DB
}

func newBundle(t *testing.T) *bundle {
	t.Helper()
	pool, err := connect(testserver.MySQLDatabase(t))
	require.NoError(t, err)
	names, err := (*Config)(nil).names()
	require.NoError(t, err)
	from := newSource(pool, true, names)
	db := sqlstore.NewServer(name, from)
	t.Cleanup(func() { assert.NoError(t, db.Close()) })
	require.NoError(t, db.Prepare(t.Context(), newMigrator(from, names, false), nil))
	return &bundle{&dialect{db: db}, pool}
}

func (b *bundle) write(t *testing.T, work func(sqlstore.Tx) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a loaded machine is no fault
	defer cancel()
	require.NoError(t, b.db.Write(ctx, work))
}

func (b *bundle) publish(t *testing.T, n int) {
	t.Helper()
	messages := make([]sqlstore.Outgoing, n)
	for i := range messages {
		messages[i] = outgoing(1)
	}
	b.write(t, func(tx sqlstore.Tx) error { return b.Publish(tx, messages) })
}

func (b *bundle) claim(t *testing.T, owner int64, limit int, lease time.Duration) (ids []int64) {
	t.Helper()
	claimed, _, err := b.Claim(t.Context(), queue.ClaimParams{Topic: "t", Owner: owner, Limit: limit, Lease: lease})
	require.NoError(t, err)
	for _, c := range claimed {
		ids = append(ids, c.ID)
	}
	return ids
}

// lockByHost locks a message as a transaction of the host's does that completes it.
func (b *bundle) lockByHost(t *testing.T, id int64) (unlock func()) {
	t.Helper()
	tx, err := b.pool.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), "DELETE FROM redrive_messages WHERE id = ?", id)
	require.NoError(t, err)
	return func() { assert.NoError(t, tx.Rollback()) }
}

// What a host's open transaction holds is held, and nobody waits for it.
func TestHostHoldsMessage(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.publish(t, 3)
	ids := b.claim(t, 7, 3, time.Millisecond)
	require.Len(t, ids, 3)
	unlock := b.lockByHost(t, ids[1])
	defer unlock()
	time.Sleep(5 * time.Millisecond) // the leases are over
	var expired int
	b.write(t, func(tx sqlstore.Tx) error {
		expired = 0
		return b.Expired(tx, "t", 10, func(sqlstore.Scanner) error { expired++; return nil })
	})
	assert.Equal(t, 2, expired)
	renew := func(claims ...queue.Held) (kept []queue.Held) {
		b.write(t, func(tx sqlstore.Tx) (err error) {
			kept, err = b.Renew(tx, claims, time.Minute)
			return err
		})
		return kept
	}
	claims := []queue.Held{{ID: ids[0], Owner: 7}, {ID: ids[1], Owner: 7}, {ID: ids[2], Owner: 7}}
	assert.Equal(t, claims, renew(claims...))
	assert.Empty(t, renew(queue.Held{ID: ids[0], Owner: 8}, queue.Held{ID: ids[1], Owner: 8}))
	b.publish(t, 1)
	others := b.claim(t, 9, 3, time.Minute)
	require.Len(t, others, 1, "others are claimed meanwhile")
	b.write(t, func(tx sqlstore.Tx) error {
		held, err := b.Settle(tx, []queue.Settlement{
			{ID: ids[2], Owner: 7, Outcome: queue.Done}, {ID: others[0], Owner: 9, Outcome: queue.Unused},
			{ID: ids[0], Owner: 7, Outcome: queue.Done}, {ID: 1 << 40, Owner: 7, Outcome: queue.Done},
		})
		assert.Equal(t, []bool{true, true, true, false}, held, "and settled")
		return err
	})
	assert.Equal(t, others, b.claim(t, 9, 3, time.Minute), "what is put back is there again")
}

// A message that becomes due while the next one is looked for is not overlooked.
func TestNextDue(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	later := outgoing(1)
	later.Wait = time.Hour
	b.write(t, func(tx sqlstore.Tx) error { return b.Publish(tx, []sqlstore.Outgoing{later}) })
	_, next, err := b.Claim(t.Context(), queue.ClaimParams{Topic: "t", Owner: 1, Limit: 1, Lease: time.Minute})
	require.NoError(t, err)
	assert.InDelta(t, time.Hour, next, float64(time.Minute))
	_, next, err = b.Claim(t.Context(), queue.ClaimParams{Topic: "T", Owner: 1, Limit: 1, Lease: time.Minute})
	require.NoError(t, err)
	assert.Negative(t, next)
	b.write(t, func(tx sqlstore.Tx) error {
		wait, err := nextDue(tx, "t", 2*time.Hour)
		assert.InDelta(t, time.Hour, wait, float64(time.Minute))
		_, err2 := tx.Exec("UPDATE {messages} SET due = {now} - 1000")
		require.NoError(t, err2)
		late, err2 := nextDue(tx, "t", time.Second)
		assert.Zero(t, late)
		require.NoError(t, err2)
		return err
	})
}

func TestLargeBacklog(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	const n = countLimit + 10_000
	b.publish(t, n)
	b.claim(t, 7, 3, time.Minute)
	var got asyncevents.Backlog
	require.NoError(t, b.db.Read(t.Context(), func(tx sqlstore.Tx) (err error) {
		got, err = b.Backlog(tx, "t")
		return err
	}))
	assert.True(t, got.Estimated)
	assert.InEpsilon(t, n, got.Ready, 0.5)
	got.Ready = 0
	assert.Equal(t, asyncevents.Backlog{InFlight: 3, Estimated: true}, got)
}
