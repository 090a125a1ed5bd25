package postgres

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/internal/testserver"
)

// requireNoDeadlocks has replicas work on a database of their own, and requires that they never waited for each other in a circle.
func requireNoDeadlocks(t *testing.T, work func(t *testing.T, dsn string)) {
	t.Helper()
	dsn := testserver.PostgresDatabase(t)
	t.Run("at once", func(t *testing.T) { work(t, dsn) })
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close(t.Context())) }()
	var others, deadlocks int
	require.Eventually(t, func() bool { // a connection tells what it counted when it ends, at the latest
		err := conn.QueryRow(t.Context(), `SELECT numbackends - 1, deadlocks FROM pg_stat_database
			WHERE datname = current_database()`).Scan(&others, &deadlocks)
		return assert.NoError(t, err) && others == 0
	}, 20*time.Second, 20*time.Millisecond)
	assert.Zero(t, deadlocks)
}

// inHand is a claimed message, and what became of its event.
type inHand struct {
	claim   queue.Settlement
	outcome *asyncevents.Settlement
}

// acceptable returns new events.
func acceptable(round, n int) []sqlstore.Acceptable {
	events := make([]sqlstore.Acceptable, n)
	for i := range events {
		id := fmt.Sprintf("%d-%03d", round, i)
		events[i] = sqlstore.Acceptable{CorrelationID: id, BodyHash: []byte{}, Metadata: "{}", Payload: []byte{}}
	}
	return events
}

// deliverMany accepts events and claims their messages, all under one name.
func deliverMany(t *testing.T, d *dialect, round, n int) []inHand {
	t.Helper()
	_, err := d.AcceptAll(t.Context(), "t", acceptable(round, n))
	require.NoError(t, err)
	claimed, _, err := d.Claim(t.Context(), queue.ClaimParams{Topic: "t", Owner: int64(round + 1), Limit: n, Lease: time.Minute})
	require.NoError(t, err)
	require.Len(t, claimed, n)
	return handled(claimed)
}

func handled(claimed []queue.Claimed) (list []inHand) {
	for _, c := range claimed {
		list = append(list, inHand{
			queue.Settlement{ID: c.ID, Owner: c.Owner},
			&asyncevents.Settlement{CorrelationID: c.UUID, Status: asyncevents.StatusProcessed, Attempts: 1},
		})
	}
	return list
}

func parts(list []inHand) (claims []queue.Settlement, outcomes []*asyncevents.Settlement) {
	for _, e := range list {
		claims, outcomes = append(claims, e.claim), append(outcomes, e.outcome)
	}
	return claims, outcomes
}

// Two that think that they hold the same messages, or have to write into the rows of the same events, do so in one order,
// whichever they are told.
func TestSettleInOppositeOrders(t *testing.T) {
	t.Parallel()
	ways := []func(ctx context.Context, d *dialect, list []inHand) error{
		func(ctx context.Context, d *dialect, list []inHand) error {
			return d.db.Write(ctx, func(tx sqlstore.Tx) error {
				_, outcomes := parts(list)
				return d.RecordEvents(tx, outcomes)
			})
		},
		func(ctx context.Context, d *dialect, list []inHand) error {
			return d.db.Write(ctx, func(tx sqlstore.Tx) error {
				_, outcomes := parts(list)
				return d.RecordCallbacks(tx, outcomes)
			})
		},
		func(ctx context.Context, d *dialect, list []inHand) error {
			claims, outcomes := parts(list)
			_, err := d.FinishAll(ctx, claims, outcomes)
			return err
		},
		func(ctx context.Context, d *dialect, list []inHand) error {
			return d.db.Write(ctx, func(tx sqlstore.Tx) error {
				claims, _ := parts(list)
				_, err := d.Settle(tx, claims)
				return err
			})
		},
	}
	requireNoDeadlocks(t, func(t *testing.T, dsn string) {
		replicas := [2]*dialect{openTestDialect(t, dsn, ""), openTestDialect(t, dsn, "")}
		for round := range soak.Long(1, 5) * len(ways) * len(ways) {
			there := deliverMany(t, replicas[0], round, 500)
			back := slices.Clone(there)
			slices.Reverse(back)
			one, other := ways[round%len(ways)], ways[round/len(ways)%len(ways)]
			var calls sync.WaitGroup
			calls.Go(func() { assert.NoError(t, one(t.Context(), replicas[0], there)) })
			calls.Go(func() { assert.NoError(t, other(t.Context(), replicas[1], back)) })
			calls.Wait()
		}
	})
}
