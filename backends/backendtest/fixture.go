package backendtest

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

const (
	// patience is how long anything may take that should happen at once: a loaded machine is no fault.
	patience = time.Minute
	// glance is how often is looked whether it has.
	glance = 5 * time.Millisecond
	// shortLease is a lease that a test can wait for.
	shortLease = 500 * time.Millisecond
	// topic is the topic of cases that need one. Each case has a backend of its own.
	topic = "events"
)

// fixture is a backend under test with what cases share.
type fixture struct {
	*asyncevents.Backend
	harness  Harness
	instance Instance
}

func newFixture(t *testing.T, h Harness) *fixture {
	t.Helper()
	instance := h.New(t)
	require.Equal(t, h.Persistent, instance.Reopen != nil, "Harness.Persistent says whether there is a Reopen")
	closeAtEnd(t, instance.Backend)
	return &fixture{instance.Backend, h, instance}
}

func closeAtEnd(t *testing.T, backend *asyncevents.Backend) {
	t.Helper()
	t.Cleanup(func() {
		require.NoError(t, backend.Close())
		require.NoError(t, backend.Close(), "Close may be called twice")
	})
}

// quick is a consumer whose failures come back soon, and that does not wait long for messages which a case leaves
// unacknowledged.
func quick() asyncevents.SubscriberConfig {
	return asyncevents.SubscriberConfig{
		Concurrency:  10,
		CloseTimeout: 100 * time.Millisecond,
		PollInterval: 20 * time.Millisecond,
		Policy:       retry.Fixed(10 * time.Millisecond),
	}
}

// forgetful is a consumer that no longer renews its claims after a moment, as if its process had died.
func forgetful() asyncevents.SubscriberConfig {
	cfg := quick()
	cfg.Lease = shortLease
	cfg.AttemptTimeout = time.Millisecond
	return cfg
}

func (f *fixture) subscriber(t *testing.T, cfg asyncevents.SubscriberConfig) message.Subscriber {
	t.Helper()
	subscriber, err := f.Subscriber(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, subscriber.Close()) })
	return subscriber
}

// consume subscribes to a topic until the end of the test.
func (f *fixture) consume(t *testing.T, topic string, cfg asyncevents.SubscriberConfig) <-chan *message.Message {
	t.Helper()
	messages, err := f.subscriber(t, cfg).Subscribe(context.Background(), topic)
	require.NoError(t, err)
	return messages
}

// receive returns the next message.
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

// requireNone requires that no message comes for a while.
func requireNone(t *testing.T, messages <-chan *message.Message, while time.Duration) {
	t.Helper()
	select {
	case msg, ok := <-messages:
		require.False(t, ok, "an unexpected message came: %v", msg)
	case <-time.After(while):
	}
}

// requireBacklog waits until a topic's backlog is as wanted.
func (f *fixture) requireBacklog(t *testing.T, topic string, want asyncevents.Backlog) {
	t.Helper()
	require.NotNil(t, f.Backlog)
	var got asyncevents.Backlog
	require.Eventually(t, func() bool {
		var err error
		got, err = f.Backlog(t.Context(), topic)
		return err == nil && got == want
	}, patience, glance, "the backlog should become %+v", want)
}

// requireEmpty waits until a topic holds nothing, neither waiting nor in flight.
func (f *fixture) requireEmpty(t *testing.T, topic string) {
	t.Helper()
	f.requireBacklog(t, topic, asyncevents.Backlog{})
}

// accept accepts an event whose id and body are given.
func (f *fixture) accept(t *testing.T, id, body string) {
	t.Helper()
	receipt, err := f.Events.Accept(t.Context(), acceptance(id, body))
	require.NoError(t, err)
	require.False(t, receipt.Known)
}

// deliver accepts an event and returns its message, as a consumer gets it.
func (f *fixture) deliver(t *testing.T, id string) *message.Message {
	t.Helper()
	f.accept(t, id, "{}")
	return receive(t, f.consume(t, topic, quick()))
}

// find returns the record of an event.
func (f *fixture) find(t *testing.T, id string) asyncevents.Record {
	t.Helper()
	record, err := f.Events.Find(t.Context(), id)
	require.NoError(t, err)
	return record
}

// status is where an event stands, and what the receipt says when it comes in again.
func (f *fixture) status(t *testing.T, id string) asyncevents.Status {
	t.Helper()
	receipt, err := f.Events.Accept(t.Context(), acceptance(id, "{}"))
	require.NoError(t, err)
	require.True(t, receipt.Known)
	status := f.find(t, id).Status
	assert.Equal(t, status, receipt.Status)
	return status
}

// bury adds a dead letter of that message id and returns the entry as it is stored.
func (f *fixture) bury(t *testing.T, queue, messageID string) dlq.Entry {
	t.Helper()
	require.NoError(t, f.DeadLetters.Add(t.Context(), entry(queue, messageID)))
	newest := f.stat(t, queue).Newest
	entries, err := f.DeadLetters.List(t.Context(), dlq.ListParams{Queue: queue, IDs: []int64{newest}, Limit: 1})
	require.NoError(t, err)
	require.Len(t, entries, 1)
	return entries[0]
}

// buryMany adds n dead letters and returns their ids.
func (f *fixture) buryMany(t *testing.T, queue string, n int) []int64 {
	t.Helper()
	for range n {
		require.NoError(t, f.DeadLetters.Add(t.Context(), entry(queue, watermill.NewUUID())))
	}
	return idsOf(f.list(t, queue))
}

// list returns the whole of a DLQ.
func (f *fixture) list(t *testing.T, queue string) []dlq.Entry {
	t.Helper()
	entries, err := f.DeadLetters.List(t.Context(), dlq.ListParams{Queue: queue, Limit: 100_000})
	require.NoError(t, err)
	return entries
}

func (f *fixture) stat(t *testing.T, queue string) dlq.Stats {
	t.Helper()
	stats, err := f.DeadLetters.Stat(t.Context(), queue)
	require.NoError(t, err)
	return stats
}

// settling is the context with which a handler's outcome is stored: it outlives the attempt.
func settling(msg *message.Message) context.Context { return context.WithoutCancel(msg.Context()) }

func idsOf(entries []dlq.Entry) []int64 {
	ids := make([]int64, len(entries))
	for i := range entries {
		ids[i] = entries[i].ID
	}
	return ids
}

// newMessage makes a message with a new id.
func newMessage(payload string) *message.Message {
	return message.NewMessage(watermill.NewUUID(), []byte(payload))
}
