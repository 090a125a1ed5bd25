package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// While a transaction is open, the indexes keep all that is gone. Who knows the trail does not read it.
func TestTrailLeadsAroundRemains(t *testing.T) {
	t.Parallel()
	d := newTestDialect(t)
	const remains = 5_000
	open, err := d.from.Begin(t.Context(), sqlstore.Consistent)
	require.NoError(t, err)
	t.Cleanup(open.Rollback)
	require.NoError(t, sqlstore.One(open, []any{new(int)}, `SELECT count(*) FROM {messages}`))

	fillNew(t, d, remains)
	exec(t, d, `INSERT INTO {messages} (topic, uuid, metadata, payload, delayed, due)
		SELECT 't', i::text, '', '', true, {now} - 60000000 FROM generate_series(1, ?::bigint) i`, remains)
	exec(t, d, `INSERT INTO {claims} (claim, topic, until, ids)
		SELECT i, 't', {now} - 60000000, ARRAY[]::bigint[] FROM generate_series(1, ?::bigint) i`, remains)
	var last positions
	require.NoError(t, sqlstore.One(d.db.Direct(t.Context()), []any{&last.fresh, &last.later},
		`SELECT max(id) FILTER (WHERE NOT delayed), max(due) FROM {messages}`))
	exec(t, d, `DELETE FROM {messages}`)
	exec(t, d, `DELETE FROM {claims}`)

	claim := func(from positions) float64 {
		return planned(t, d, claimMessages, "t", from.later, 5, "t", from.fresh, "t", 10,
			int64(8), int64(8), "t", int64(1), []int64{}, 5, "t").Blocks
	}
	assert.Less(t, 10*claim(positions{last.fresh, last.later + 1}), claim(positions{}))
	expired := func(from int64) float64 {
		return explained(t, d, selectExpired, "t", from, 10).Blocks + explained(t, d, dropExpired, "t", from, "t", from).Blocks
	}
	assert.Less(t, 10*expired(last.later+1_000_000), expired(0))
}

// What is given back is found at once, however far behind it lies.
func TestTrailLeadsBackToWhatWasReturned(t *testing.T) {
	t.Parallel()
	d := newTestDialect(t)
	fillNew(t, d, 20)
	claim := func(owner int64, limit int) []queue.Claimed {
		claimed, _, err := d.Claim(t.Context(), queue.ClaimParams{Topic: "t", Owner: owner, Limit: limit, Lease: time.Minute})
		require.NoError(t, err)
		return claimed
	}
	first := claim(1, 1)
	require.Len(t, first, 1)
	for owner := range int64(3) {
		require.Len(t, claim(owner+2, 5), 5)
	}
	for i := range d.trail("t").fresh.depths { // as it will be soon
		d.trail("t").fresh.depths[i].floor = first[0].ID
	}
	require.NoError(t, d.db.Write(t.Context(), func(tx sqlstore.Tx) error {
		_, err := d.Settle(tx, []queue.Settlement{{ID: first[0].ID, Owner: 1, Outcome: queue.Unused}})
		return err
	}))
	again := claim(9, 1)
	require.Len(t, again, 1)
	assert.Equal(t, first[0].ID, again[0].ID)
	assert.Equal(t, 1, again[0].Attempt)
}

// The claims of those who died are found, and dropped once nothing is left of them.
func TestTrailOfClaims(t *testing.T) {
	t.Parallel()
	d := newTestDialect(t)
	fillNew(t, d, 3)
	_, _, err := d.Claim(t.Context(), queue.ClaimParams{Topic: "t", Owner: 7, Limit: 3, Lease: time.Minute})
	require.NoError(t, err)
	expired := func() (ids []int64) {
		require.NoError(t, d.Expired(d.db.Direct(t.Context()), "t", 10, func(row sqlstore.Scanner) error {
			m, _, err := sqlstore.ScanClaimed(row, new(int64), new(int64))
			ids = append(ids, m.ID)
			return err
		}))
		return ids
	}
	held := d.trail("t").held
	assert.Empty(t, expired())
	held.depths[0].markAt = time.Time{} // long ago
	assert.Empty(t, expired())
	floor := held.depths[0].floor
	assert.NotZero(t, floor)
	exec(t, d, `UPDATE {claims} SET until = ?::bigint`, floor+1)
	assert.Len(t, expired(), 3)
	assert.Len(t, expired(), 3, "nobody settled them")
	exec(t, d, `DELETE FROM {messages}`)
	assert.Empty(t, expired())
	var claims int
	require.NoError(t, sqlstore.One(d.db.Direct(t.Context()), []any{&claims}, `SELECT count(*) FROM {claims}`))
	assert.Zero(t, claims)
}
