package foreign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/retry"
)

const (
	topic    = "events"
	patience = 20 * time.Second
	glance   = 2 * time.Millisecond
)

var errAway = errors.New("away")

// fixture is a backend on a broker and a memory store whose queue can be away.
type fixture struct {
	*asyncevents.Backend
	broker *broker
	store  *asyncevents.Backend
	queue  *queueThatFails
	log    *lockedBuffer
}

// newFixture changes the configuration if it is asked to.
func newFixture(t *testing.T, change func(*Config)) *fixture {
	t.Helper()
	f := &fixture{broker: newBroker(), store: memory.New(), log: &lockedBuffer{}}
	f.queue = &queueThatFails{Publisher: f.store.Publisher}
	f.store.Publisher = f.queue
	cfg := config(f.broker)
	cfg.Logger = slog.New(slog.NewTextHandler(f.log, nil))
	if change != nil {
		change(cfg)
	}
	f.Backend = open(t, f.broker, f.store, cfg)
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	return f
}

// again is another process on the same broker and store: it remembers nothing.
func (f *fixture) again(t *testing.T, change func(*Config)) *fixture {
	t.Helper()
	g := *f
	cfg := config(f.broker)
	if change != nil {
		change(cfg)
	}
	g.Backend = open(t, f.broker, f.store, cfg)
	return &g
}

// queueThatFails is a store's Publisher that fails while it is told to.
type queueThatFails struct {
	message.Publisher
	away  atomic.Bool
	calls atomic.Int64
}

func (q *queueThatFails) Publish(topic string, messages ...*message.Message) error {
	q.calls.Add(1)
	if q.away.Load() {
		return errAway
	}
	return q.Publisher.Publish(topic, messages...)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// count is how many lines of the log contain a text.
func (l *lockedBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.b.Bytes(), []byte(text))
}

// generated is an event whose id was made for the call.
func generated() asyncevents.Acceptance {
	id := watermill.NewUUID()
	msg := message.NewMessage(id, []byte("{}"))
	at := time.Now().UTC()
	msg.Metadata.Set(retry.MetadataAcceptedAt, at.Format(time.RFC3339Nano))
	return asyncevents.Acceptance{
		CorrelationID: id, Generated: true, BodyHash: sha256.Sum256(msg.Payload), AcceptedAt: at, Topic: topic, Message: msg,
	}
}

func (f *fixture) accept(t *testing.T) string {
	t.Helper()
	a := generated()
	_, err := f.Events.Accept(t.Context(), a)
	require.NoError(t, err)
	return a.CorrelationID
}

// subscribe returns a subscription and what closes it.
func (f *fixture) subscribe(t *testing.T) (<-chan *message.Message, func()) {
	t.Helper()
	subscriber, err := f.Subscriber(asyncevents.SubscriberConfig{
		PollInterval: 20 * time.Millisecond, CloseTimeout: time.Second, Policy: retry.Fixed(time.Millisecond),
	})
	require.NoError(t, err)
	messages, err := subscriber.Subscribe(context.Background(), topic)
	require.NoError(t, err)
	end := sync.OnceFunc(func() { assert.NoError(t, subscriber.Close()) })
	t.Cleanup(end)
	return messages, end
}

func receive(t *testing.T, messages <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case msg, ok := <-messages:
		require.True(t, ok, "the subscription ended")
		return msg
	case <-time.After(patience):
		require.Fail(t, "no message came")
		return nil
	}
}

// finish records that an event is processed, and its message is gone with that.
func (f *fixture) finish(t *testing.T, msg *message.Message) {
	t.Helper()
	require.NoError(t, f.Events.Settle(context.WithoutCancel(msg.Context()), asyncevents.Settlement{
		CorrelationID: msg.UUID, Queue: asyncevents.EventsQueue, Status: asyncevents.StatusProcessed, Attempts: 1,
	}))
	msg.Ack()
}

func (f *fixture) requireBacklog(t *testing.T, want asyncevents.Backlog) {
	t.Helper()
	require.Eventually(t, func() bool {
		got, err := f.Backlog(t.Context(), topic)
		return err == nil && got == want
	}, patience, glance)
}

// atBroker is how many messages the broker has not seen acknowledged.
func (f *fixture) atBroker(t *testing.T) int {
	t.Helper()
	n, err := f.broker.waiting(t.Context(), topic)
	require.NoError(t, err)
	return int(n)
}
