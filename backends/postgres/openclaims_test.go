package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

func TestOpenClaims(t *testing.T) {
	t.Parallel()
	var o openClaims
	take := func() []int64 {
		ended, _ := o.take()
		return ended
	}
	o.add(7, []queue.Claimed{{ID: 1}, {ID: 2}})
	o.add(8, []queue.Claimed{{ID: 3}})
	o.add(9, nil)
	assert.Empty(t, take())
	o.settled([]queue.Settlement{{ID: 1, Owner: 7}, {ID: 3, Owner: 8}, {ID: 4, Owner: 99}})
	ended, giveBack := o.take()
	assert.Equal(t, []int64{8}, ended)
	giveBack()
	o.settled([]queue.Settlement{{ID: 1, Owner: 7}}) // once more, by its late handler
	assert.Equal(t, []int64{8}, take())
	giveBack()
	o.settled([]queue.Settlement{{ID: 2, Owner: 7}})
	assert.Equal(t, []int64{8, 7}, take())
	assert.NotNil(t, take(), "an empty array, not NULL")
	assert.Empty(t, o.open)

	for claim := range int64(crowd + 1) {
		o.add(claim+1, []queue.Claimed{{ID: 1}})
	}
	for _, c := range o.open {
		c.made = time.Now().Add(-old - 1)
	}
	o.add(1<<40, []queue.Claimed{{ID: 1}})
	assert.Len(t, o.open, 1, "what nobody settles is forgotten in time")
}

// A message that is settled twice, by whoever found its lease expired and by its late handler, leaves the claim of the
// others as it is; and a claim that is gone all the same comes back with their renewal.
func TestClaimOutlastsOneThatIsSettledTwice(t *testing.T) {
	t.Parallel()
	d := newTestDialect(t)
	fillNew(t, d, 2)
	ctx := t.Context()
	settle := func(outcome queue.Outcome, id int64) (held []bool) {
		require.NoError(t, d.db.Write(ctx, func(tx sqlstore.Tx) (err error) {
			held, err = d.Settle(tx, []queue.Settlement{{ID: id, Owner: 77, Outcome: outcome, After: time.Hour}})
			return err
		}))
		return held
	}
	claim := func(owner int64) []queue.Claimed {
		claimed, _, err := d.Claim(ctx, queue.ClaimParams{Topic: "t", Owner: owner, Limit: 2, Lease: time.Minute})
		require.NoError(t, err)
		return claimed
	}
	claimed := claim(77)
	require.Len(t, claimed, 2)
	assert.Equal(t, []bool{true}, settle(queue.Later, claimed[0].ID))
	assert.Equal(t, []bool{false}, settle(queue.Done, claimed[0].ID))
	require.Empty(t, claim(78))
	rows := func() []int64 {
		ids, err := sqlstore.Ints(d.db.Direct(ctx), "SELECT unnest(ids) FROM {claims} WHERE until > {now}")
		require.NoError(t, err)
		return ids
	}
	assert.Contains(t, rows(), claimed[1].ID)

	exec(t, d, "DELETE FROM {claims}")
	require.NoError(t, d.db.Write(ctx, func(tx sqlstore.Tx) error {
		kept, err := d.Renew(tx, []queue.Held{{ID: claimed[0].ID, Owner: 77}, {ID: claimed[1].ID, Owner: 77}}, time.Minute)
		assert.Equal(t, []queue.Held{{ID: claimed[1].ID, Owner: 77}}, kept)
		return err
	}))
	assert.Equal(t, []int64{claimed[1].ID}, rows())
}
