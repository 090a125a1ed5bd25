package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/internal/testserver"
)

const patience = 20 * time.Second

// subscribed consumes a topic of a backend that hardly ever polls.
func subscribed(t *testing.T, b *asyncevents.Backend, concurrency int) <-chan *message.Message {
	t.Helper()
	sub, err := b.Subscriber(asyncevents.SubscriberConfig{Concurrency: concurrency, PollInterval: time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, sub.Close()) })
	messages, err := sub.Subscribe(context.Background(), "t")
	require.NoError(t, err)
	return messages
}

// requireHeard has one backend publish messages that the other hears of, which hardly ever looks for them.
func requireHeard(t *testing.T, from, by *asyncevents.Backend, times int) {
	t.Helper()
	messages := subscribed(t, by, 10)
	var longest time.Duration
	for range times {
		sent := time.Now()
		require.NoError(t, from.Publisher.Publish("t", message.NewMessage(watermill.NewUUID(), nil)))
		select {
		case msg := <-messages:
			longest = max(longest, time.Since(sent))
			msg.Ack()
		case <-time.After(patience):
			t.Fatal("the message was not heard of")
		}
	}
	t.Log("the longest took", longest)
}

// Messages of another process are heard of long before they are looked for, and so are those that came before it listened.
func TestOtherProcessesAreHeard(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	here, there := openOwn(t, dsn, &postgres.Config{Schema: schema}), openOwn(t, dsn, &postgres.Config{Schema: schema})
	t.Cleanup(func() { assert.NoError(t, here.Close()); assert.NoError(t, there.Close()) })
	requireHeard(t, there, here, 50)
}

// Replicas that share tables hear each other, whether they are told the schema or find it by their search_path.
func TestReplicasAreToldTheSchemaOrFindIt(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	found := openOwn(t, dsn+"&search_path="+schema, nil)
	told := openOwn(t, dsn, &postgres.Config{Schema: schema})
	t.Cleanup(func() { assert.NoError(t, found.Close()); assert.NoError(t, told.Close()) })
	t.Run("found", func(t *testing.T) { requireHeard(t, found, told, 5) })
	t.Run("told", func(t *testing.T) { requireHeard(t, told, found, 5) })
}

// collector keeps what is logged.
type collector struct {
	mu   sync.Mutex
	text strings.Builder
}

func (c *collector) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

func (c *collector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// statements keeps what is sent to a server.
type statements struct{ collector }

// TraceQueryStart implements pgx.QueryTracer.
func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	_, _ = s.Write([]byte(data.SQL + "\n"))
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Behind a pooler that hands connections around, notifications do not come through: that is found out, said, and made up for by
// polling. What finds it out listens on a channel of its own, because it may never reach that connection again.
func TestNotificationsDoNotComeThrough(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	bouncer := testserver.PrivatePgBouncer(t, dsn)
	cfg, err := pgxpool.ParseConfig(bouncer.DSN() + "&default_query_exec_mode=exec")
	require.NoError(t, err)
	sent, log := &statements{}, &collector{}
	cfg.ConnConfig.Tracer = sent
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b, err := postgres.New(t.Context(), pool, &postgres.Config{
		Schema: schema, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "polling instead") }, patience, 20*time.Millisecond)
	assert.Contains(t, sent.String(), "\nLISTEN redrive_try_")
	assert.NotRegexp(t, `\nLISTEN redrive_[0-9a-f]{16}\n`, sent.String())
	sub, err := b.Subscriber(asyncevents.SubscriberConfig{PollInterval: 20 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, sub.Close()) })
	messages, err := sub.Subscribe(context.Background(), "t")
	require.NoError(t, err)
	other := openOwn(t, dsn, &postgres.Config{Schema: schema})
	t.Cleanup(func() { assert.NoError(t, other.Close()) })
	require.NoError(t, other.Publisher.Publish("t", message.NewMessage(watermill.NewUUID(), []byte("x"))))
	select {
	case msg := <-messages:
		assert.Equal(t, "x", string(msg.Payload))
		msg.Ack()
	case <-time.After(patience):
		t.Fatal("the message was not found by polling")
	}
}

// What keeps a backend from listening is said once, however often it tries, and so is that it hears again.
func TestListenerSaysWhatChanges(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	cfg, err := pgxpool.ParseConfig(dsn + "&application_name=" + schema)
	require.NoError(t, err)
	var refused, tries atomic.Int64
	cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error {
		tries.Add(1)
		if refused.Load() > 0 {
			return errors.New("too many connections")
		}
		return nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	log := &collector{}
	here, err := postgres.New(t.Context(), pool, &postgres.Config{
		Schema: schema, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, err)
	there := openOwn(t, dsn, &postgres.Config{Schema: schema})
	t.Cleanup(func() { assert.NoError(t, there.Close()) })
	t.Run("before", func(t *testing.T) { requireHeard(t, there, here, 3) })
	assert.Empty(t, log.String())

	refused.Store(1)
	_, err = connect(t, dsn).Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name = $1`, schema)
	require.NoError(t, err)
	before := tries.Load()
	require.Eventually(t, func() bool { return tries.Load() >= before+3 }, patience, 20*time.Millisecond)
	refused.Store(0)
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "heard again") }, patience, 20*time.Millisecond)
	t.Run("after", func(t *testing.T) { requireHeard(t, there, here, 3) })
	require.NoError(t, here.Close())
	assert.Equal(t, 1, strings.Count(log.String(), "cannot listen"), log)
	assert.Equal(t, 1, strings.Count(log.String(), "heard again"), log)
}

// What keeps a backend from notifying is said once, however often it fails, and so is that it notifies again.
func TestNotifierSaysWhatChanges(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	conn := connect(t, dsn)
	pgNotify := func(does string) { // in place of PostgreSQL's own
		_, err := conn.Exec(t.Context(), "CREATE OR REPLACE FUNCTION "+schema+".pg_notify(text, text) RETURNS void "+
			"LANGUAGE plpgsql AS $$BEGIN "+does+"; END$$")
		require.NoError(t, err)
	}
	pgNotify("RAISE 'out of order'")
	log := &collector{}
	here := openOwn(t, dsn+"&search_path="+schema+",pg_catalog", &postgres.Config{
		NoListen: true, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	t.Cleanup(func() { assert.NoError(t, here.Close()) })
	publish := func() {
		require.NoError(t, here.Publisher.Publish("t", message.NewMessage(watermill.NewUUID(), nil)))
	}
	publish()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "out of order") }, patience, 20*time.Millisecond)
	publish()

	pgNotify("PERFORM pg_catalog.pg_notify($1, $2)")
	publish()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "notified again") }, patience, 20*time.Millisecond)
	assert.Equal(t, 1, strings.Count(log.String(), "cannot notify"), log)
	assert.Equal(t, 1, strings.Count(log.String(), "notified again"), log)
}
