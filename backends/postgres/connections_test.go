package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/internal/testserver"
)

const topic = "t"

func accept(ctx context.Context, b *asyncevents.Backend, id string) error {
	_, err := b.Events.Accept(ctx, asyncevents.Acceptance{
		CorrelationID: id, AcceptedAt: time.Now(), Topic: topic, Message: message.NewMessage(id, []byte("{}")),
	})
	return err
}

// atOnce does something n times at once.
func atOnce(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { assert.NoError(t, do(i)) })
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// Connections of the pool that are dead, as all of them are after a restart of the server, cost no caller an error, and no
// consumer time.
func TestDeadConnections(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	query := u.Query()
	query.Set("application_name", schema)
	u.RawQuery = query.Encode()
	b, err := postgres.Open(t.Context(), u.String(), &postgres.Config{Schema: schema})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	sub, err := b.Subscriber(asyncevents.SubscriberConfig{Concurrency: 100})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, sub.Close()) })
	messages, err := sub.Subscribe(t.Context(), topic)
	require.NoError(t, err)
	server, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, server.Close(context.Background())) })

	const callers, rounds = 20, 5
	for round := range rounds {
		atOnce(t, 5, func(int) error { return b.Ping(t.Context()) }) // several connections are open
		_, err := server.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`, schema)
		require.NoError(t, err)
		began := time.Now()
		atOnce(t, callers, func(i int) error { return accept(t.Context(), b, fmt.Sprintf("e-%d-%d", round, i)) })
		for range callers {
			msg := <-messages
			msg.Ack()
		}
		assert.Less(t, time.Since(began), 10*time.Second)
	}
	var events int
	require.NoError(t, server.QueryRow(t.Context(), "SELECT count(*) FROM "+pgx.Identifier{schema}.Sanitize()+".redrive_events").Scan(&events))
	assert.Equal(t, callers*rounds, events)
}

// Replicas that accept the same events at once, each in an order of its own, as when a client sends them again, do not get into
// each other's way.
func TestNoDeadlocks(t *testing.T) {
	t.Parallel()
	dsn := testserver.PostgresDatabase(t)
	replicas := make([]*asyncevents.Backend, 2)
	for i := range replicas {
		var err error
		replicas[i], err = postgres.Open(t.Context(), dsn, nil)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, replicas[i].Close()) })
	}
	const callers = 100
	for round := range 20 {
		ids := make([]string, callers)
		for i := range ids {
			ids[i] = fmt.Sprintf("e-%d-%d", round, i)
		}
		orders := [][]string{ids, slices.Clone(ids)}
		slices.Reverse(orders[1])
		atOnce(t, 2*callers, func(i int) error { return accept(t.Context(), replicas[i%2], orders[i%2][i/2]) })
	}
	for _, b := range replicas { // the server counts what a connection did at its end
		require.NoError(t, b.Close())
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close(context.Background())) }()
	count := func(what string) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT "+what+" FROM pg_stat_database WHERE datname = current_database()").Scan(&n))
		return n
	}
	require.Eventually(t, func() bool { return count("tup_inserted") >= 20*callers }, 20*time.Second, 50*time.Millisecond)
	assert.Zero(t, count("deadlocks"))
}
