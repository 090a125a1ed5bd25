package amqp

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What follows a message is not published while consumers are cancelled: it would be delivered to nobody, and that counts as a start.
func TestNothingFollowsBeforeTheConsumersAreCancelled(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	s := newStream(b.broker, topic, b.broker.cfg.QueuePrefix+topic, quick(), b.store.Events)
	follower := []content{newContent(message.NewMessage("m", nil))}
	require.Nil(t, s.send(follower), "nothing is waited for before the stream is stopped")
	requireReady(t, b, 1)
	s.stop()
	sent := make(chan []error, 1)
	go func() { sent <- s.send(follower) }()
	select {
	case <-sent:
		require.Fail(t, "published while the broker still delivers")
	case <-time.After(3 * settleDown):
	}
	for _, source := range s.sources() {
		s.hush(source)
	}
	require.Nil(t, <-sent)
	requireReady(t, b, 2)
}

// A consumer that cannot be cancelled keeps nothing from being published for good.
func TestWhatFollowsDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	s := newStream(b.broker, topic, b.broker.cfg.QueuePrefix+topic, quick(), b.store.Events)
	s.stop()
	began := time.Now()
	require.Nil(t, s.send([]content{newContent(message.NewMessage("m", nil))}))
	assert.GreaterOrEqual(t, time.Since(began), callPatience)
	requireReady(t, b, 1)
}

// What nobody has seen when the connection is lost during a shutdown goes back by itself, and must not be given back as well.
func TestLostWhileStopping(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	subscriber, err := b.subscriber(quick())
	require.NoError(t, err)
	_, err = subscriber.Subscribe(t.Context(), topic)
	require.NoError(t, err)
	const n = 3
	for range n {
		publish(t, b, "x")
	}
	require.Eventually(t, func() bool {
		_, claimed := b.broker.inHand(topic)
		return claimed == n
	}, patience, glance)
	s := b.stream()
	s.stop()
	conn, err := b.broker.consumes.now()
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	<-s.quiet
	require.NoError(t, subscriber.Close())
	messages := consume(t, b)
	for range n {
		receive(t, messages).Ack()
	}
	requireEmpty(t, b)
}
