package amqp

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/backendtest"
	"github.com/redrive-go/redrive/backends/sqlite"
	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// prefix returns a prefix for the names of queues that no other test has.
func prefix() string { return fmt.Sprintf("test-%x-", rand.Uint64()) }

// openOn opens a backend on a broker and a SQLite file. Its queues are deleted at the end.
func openOn(t *testing.T, url, path string, cfg *Config) *backend {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	b, err := open(t.Context(), url, store, cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, b.close())
		deleteQueues(t, url, b.broker.queues)
	})
	return b
}

// deleteQueues deletes what a backend has declared.
func deleteQueues(t *testing.T, url string, used *topology) {
	t.Helper()
	conn, err := amqp.DialConfig(url, amqp.Config{Heartbeat: 10 * time.Second})
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	for p := range used.used {
		for _, d := range p.declarations() {
			_, err := ch.QueueDelete(d.name, false, false, false)
			require.NoError(t, err)
		}
	}
}

// confirmPatience is longer than the broker of a busy machine takes to confirm a message. A suite publishes again what was not confirmed in
// time, and takes what then comes twice for something else that is missing.
const confirmPatience = time.Minute

// harness makes backends with queues and files of their own.
func harness(cfg Config) backendtest.Harness {
	return backendtest.Harness{Persistent: true, New: func(t *testing.T) backendtest.Instance {
		own := cfg
		own.QueuePrefix, own.PublishTimeout = prefix(), confirmPatience
		url, path := testserver.AMQP(t), filepath.Join(t.TempDir(), "events.db")
		again := func(t *testing.T) *asyncevents.Backend { return openOn(t, url, path, &own).whole() }
		return backendtest.Instance{Backend: again(t), Reopen: again}
	}}
}

func TestBackend(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, harness(Config{}))
}

// TestBackendWithOutbox runs what the outbox changes: how events are accepted, and what is told of them. The long form runs all.
func TestBackendWithOutbox(t *testing.T) {
	t.Parallel()
	if soak.On() {
		backendtest.Run(t, harness(Config{Outbox: true}))
		return
	}
	b := openOn(t, testserver.AMQP(t), filepath.Join(t.TempDir(), "events.db"), &Config{Outbox: true, QueuePrefix: prefix()})
	whole, messages := b.whole(), consume(t, b)
	for _, id := range []string{"e-1", "e-2", "e-1"} {
		a := acceptance(id)
		receipt, err := whole.Events.Accept(t.Context(), a)
		require.NoError(t, err)
		if receipt.Known {
			assert.Equal(t, "e-1", id)
			continue
		}
		msg := receive(t, messages)
		assert.Equal(t, id, msg.UUID)
		require.NoError(t, whole.Events.Settle(msg.Context(), processed(id)))
		msg.Ack()
		record, err := whole.Events.Find(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, asyncevents.StatusProcessed, record.Status)
	}
	requireEmpty(t, b)
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	backendtest.PubSub(t, harness(Config{}))
}
