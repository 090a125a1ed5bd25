package backendtest

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

var closeCases = []testCase{
	{"waits for handlers and settles them", closeWaits},
	{"gives back what no handler saw", closeGivesBack},
	{"cuts off handlers that do not end", closeCutsOff},
	{"a relay that is cut off leaves the history as it was", closeCutsOffRelay},
	{"the end of the subscription's context does the same", closeByContext},
	{"twice and at once", closeTwice},
	{"publisher", closePublisher},
}

// subscribe subscribes with a Subscriber that the case closes itself.
func (f *fixture) subscribe(
	t *testing.T, cfg asyncevents.SubscriberConfig,
) (message.Subscriber, <-chan *message.Message) {
	t.Helper()
	subscriber := f.subscriber(t, cfg)
	messages, err := subscriber.Subscribe(context.Background(), topic)
	require.NoError(t, err)
	return subscriber, messages
}

// closing closes a Subscriber and returns a channel that closes when that is done.
func closing(t *testing.T, subscriber message.Subscriber) <-chan struct{} {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		assert.NoError(t, subscriber.Close())
	}()
	return done
}

func requireDone(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		require.Fail(t, "Close does not return")
	}
}

func requireClosed(t *testing.T, messages <-chan *message.Message) {
	t.Helper()
	select {
	case msg, ok := <-messages:
		require.False(t, ok, "an unexpected message came: %v", msg)
	case <-time.After(patience):
		require.Fail(t, "the channel does not close")
	}
}

func closeWaits(t *testing.T, f *fixture) {
	cfg := quick()
	cfg.CloseTimeout = patience
	subscriber, messages := f.subscribe(t, cfg)
	require.NoError(t, f.Publisher.Publish(topic, newMessage("1"), newMessage("2")))
	acked, nacked := receive(t, messages), receive(t, messages)
	done := closing(t, subscriber)
	requireClosed(t, messages)
	acked.Ack()
	select {
	case <-done:
		require.Fail(t, "Close must wait for the handler that still runs")
	case <-time.After(50 * time.Millisecond):
	}
	require.NoError(t, nacked.Context().Err())
	nacked.Metadata.Set("late", "yes")
	nacked.Nack()
	requireDone(t, done)

	msg := receive(t, f.consume(t, topic, quick()))
	assert.Equal(t, nacked.UUID, msg.UUID)
	assert.Equal(t, "yes", msg.Metadata.Get("late"))
	assert.Equal(t, 2, retry.DeliveryOf(msg).Attempt)
	msg.Ack()
	f.requireEmpty(t, topic)
}

func closeGivesBack(t *testing.T, f *fixture) {
	const total = 5
	for range total {
		require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	}
	cfg := quick()
	cfg.CloseTimeout = patience // giving back may take its time
	subscriber, messages := f.subscribe(t, cfg)
	f.requireBacklog(t, topic, asyncevents.Backlog{InFlight: total})
	receive(t, messages).Ack()
	requireDone(t, closing(t, subscriber))
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: total - 1})

	messages = f.consume(t, topic, quick())
	for range total - 1 {
		msg := receive(t, messages)
		assert.Equal(t, 1, retry.DeliveryOf(msg).Attempt, "nobody has tried it yet")
		msg.Ack()
	}
	f.requireEmpty(t, topic)
}

func closeCutsOff(t *testing.T, f *fixture) {
	cfg := quick()
	cfg.CloseTimeout = 50 * time.Millisecond
	subscriber, messages := f.subscribe(t, cfg)
	require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	stuck := receive(t, messages)
	requireDone(t, closing(t, subscriber))
	require.Error(t, stuck.Context().Err())
	stuck.Ack() // too late

	msg := receive(t, f.consume(t, topic, quick()))
	assert.Equal(t, stuck.UUID, msg.UUID)
	delivery := retry.DeliveryOf(msg)
	assert.Equal(t, 2, delivery.Attempt)
	assert.Len(t, delivery.History, 1)
	msg.Ack()
	f.requireEmpty(t, topic)
}

func closeCutsOffRelay(t *testing.T, f *fixture) {
	cfg := quick()
	cfg.CloseTimeout = 50 * time.Millisecond
	cfg.Relay = true
	sent := relayed()
	require.NoError(t, f.Publisher.Publish(topic, sent))
	subscriber, messages := f.subscribe(t, cfg)
	stuck := receive(t, messages)
	stuck.Metadata.Set("k", "changed by one that was cut off")
	requireDone(t, closing(t, subscriber))

	msg := receive(t, f.consume(t, topic, quick()))
	assert.Equal(t, 2, retry.DeliveryOf(msg).Attempt)
	requireRelayed(t, sent, msg)
	msg.Ack()
	f.requireEmpty(t, topic)
}

func closeByContext(t *testing.T, f *fixture) {
	type key struct{}
	cfg := quick()
	cfg.CloseTimeout = patience
	subscriber := f.subscriber(t, cfg)
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "value"))
	defer cancel()
	messages, err := subscriber.Subscribe(ctx, topic)
	require.NoError(t, err)
	require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	msg := receive(t, messages)
	assert.Equal(t, "value", msg.Context().Value(key{}))
	cancel()
	requireClosed(t, messages)
	require.NoError(t, msg.Context().Err(), "work outlives the signal to stop")
	msg.Ack()
	f.requireEmpty(t, topic)

	messages, err = subscriber.Subscribe(context.Background(), topic)
	require.NoError(t, err, "the Subscriber itself is still open")
	require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	receive(t, messages).Ack()
	f.requireEmpty(t, topic)
}

func closeTwice(t *testing.T, f *fixture) {
	require.NoError(t, f.subscriber(t, quick()).Close(), "nothing was subscribed")
	subscriber, messages := f.subscribe(t, quick())
	one, other := closing(t, subscriber), closing(t, subscriber)
	requireDone(t, one)
	requireDone(t, other)
	requireClosed(t, messages)
	_, err := subscriber.Subscribe(context.Background(), topic)
	require.Error(t, err)
}

func closePublisher(t *testing.T, f *fixture) {
	require.NoError(t, f.Publisher.Close())
	require.NoError(t, f.Publisher.Close())
	require.Error(t, f.Publisher.Publish(topic, newMessage("x")))
	f.requireEmpty(t, topic)
	f.accept(t, "e-1", "{}") // the store has a way of its own
}
