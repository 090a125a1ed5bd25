package amqp

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// A cluster whose nodes lost each other for a moment delivers again what is with a handler, on the same channel.
func TestDeliveredAgainOnTheSameChannel(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *site, *backend, *message.Message){
		"and then acknowledged": func(t *testing.T, _ *site, b *backend, msg *message.Message) {
			msg.Ack()
			requireEmpty(t, b)
		},
		"and then lost": func(t *testing.T, s *site, b *backend, msg *message.Message) {
			require.NoError(t, b.broker.Close())
			again := receive(t, consume(t, s.open(t)))
			assert.Equal(t, msg.UUID, again.UUID)
			again.Ack()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			b := s.open(t)
			publish(t, b, "x")
			msg := receive(t, consume(t, b))
			stream := b.stream()
			tags := func() (n int, on *session) {
				stream.mu.Lock()
				defer stream.mu.Unlock()
				for _, l := range stream.letters {
					n, on = len(l.tags), l.session
				}
				return n, on
			}
			_, on := tags()
			require.NoError(t, on.ch.Recover(true)) //nolint:staticcheck // old, and it does what is needed here
			require.Eventually(t, func() bool {
				n, _ := tags()
				return n == 2
			}, patience, glance)
			end(t, s, b, msg)
		})
	}
}

// Of two that have a message, because a connection broke, one has the last word.
func TestOneOutcomeOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one := s.open(t)
	_, err := one.whole().Events.Accept(t.Context(), acceptance("e-1"))
	require.NoError(t, err)
	msg := receive(t, consume(t, one))
	entry := dlq.EntryOf(msg, asyncevents.EventsQueue, dlq.Failure{Type: "x", Message: "x"})
	require.NoError(t, one.store.Events.Settle(t.Context(), asyncevents.Settlement{ // by the other one
		CorrelationID: "e-1", Queue: asyncevents.EventsQueue, Status: asyncevents.StatusFailed, Attempts: 2, DeadLetter: &entry,
	}))
	cut(t, one)
	require.ErrorIs(t, one.whole().Events.Settle(msg.Context(), processed("e-1")), asyncevents.ErrNotHeld)
	msg.Ack()
	record, err := one.whole().Events.Find(t.Context(), "e-1")
	require.NoError(t, err)
	assert.Equal(t, asyncevents.StatusFailed, record.Status)
	requireEmpty(t, one)
}

func TestShutdownCostsNoAttempt(t *testing.T) {
	t.Parallel()
	const total, rounds = 1000, 5
	b := newSite(t).open(t)
	batch := make([]*message.Message, total)
	for i := range batch {
		batch[i] = message.NewMessage(watermill.NewUUID(), []byte("x"))
	}
	require.NoError(t, b.whole().Publisher.Publish(topic, batch...))
	cfg := quick()
	cfg.Concurrency, cfg.CloseTimeout = 100, patience
	handled := 0
	for round := range rounds {
		subscriber, err := b.subscriber(cfg)
		require.NoError(t, err)
		messages, err := subscriber.Subscribe(t.Context(), topic)
		require.NoError(t, err)
		closed := make(chan error, 1)
		for msg := range messages {
			assert.Equal(t, 1, retry.DeliveryOf(msg).Attempt, "nobody has tried it yet")
			msg.Ack()
			if handled++; handled == (round+1)*total/rounds {
				go func() { closed <- subscriber.Close() }()
			}
		}
		require.NoError(t, <-closed)
	}
	assert.GreaterOrEqual(t, handled, total)
	requireEmpty(t, b)
	assert.Equal(t, total, handled)
}

func TestEventTooLargeIsDeadLettered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.cfg.MaxMessageBytes = 64 << 10
	b := s.open(t)
	consume(t, b)
	a := acceptance("e-1")
	a.Generated, a.Message = false, message.NewMessage("e-1", make([]byte, 40<<10))
	_, err := b.whole().Events.Accept(t.Context(), a)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		record, err := b.whole().Events.Find(t.Context(), "e-1")
		return err == nil && record.Status == asyncevents.StatusFailed
	}, patience, glance)
	entries, err := b.whole().DeadLetters.List(t.Context(), dlq.ListParams{Queue: asyncevents.EventsQueue, Limit: 10})
	require.NoError(t, err)
	require.Len(t, entries, 1)
	assert.Equal(t, topic, entries[0].Topic)
	assert.Contains(t, entries[0].Failure.Message, "too large")
	requireEmpty(t, b)
}

func TestDroppedQueueComesBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.open(t)
	messages := consume(t, b)
	publish(t, b, "1")
	receive(t, messages).Ack()
	s.onChannel(t, func(ch *amqp.Channel) {
		_, err := ch.QueueDelete(droppedOf(s.queue()), false, false, false)
		require.NoError(t, err)
	})
	require.Eventually(t, func() bool { return s.exists(t, droppedOf(s.queue())) }, patience, 10*glance)
	publish(t, b, "2")
	receive(t, messages).Ack()
	requireEmpty(t, b)
}

// What RabbitMQ 4.3 redelivers without counting it is not a first delivery.
func TestRedeliveredIsSuspect(t *testing.T) {
	t.Parallel()
	l := newLetter(&amqp.Delivery{Redelivered: true, MessageId: "m", Headers: amqp.Table{headerCopy: int64(1)}})
	assert.True(t, l.suspect())
	assert.Equal(t, 2, l.attempt())
	wait := newLetter(&amqp.Delivery{Redelivered: true, MessageId: "m", Headers: amqp.Table{headerWait: int64(1000)}})
	assert.True(t, wait.suspect())
	assert.Equal(t, 1, wait.attempt(), "nobody began it between two waits")
	assert.Equal(t, time.Second, wait.wait)
}
