package amqp

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// posts makes messages ready for a queue that is there.
func posts(t *testing.T, b *backend, n int) []*post {
	t.Helper()
	name, err := b.broker.queueOf(topic)
	require.NoError(t, err)
	made := make([]*post, n)
	for i := range made {
		c := newContent(message.NewMessage(watermill.NewUUID(), []byte("x")))
		made[i], err = b.broker.newPost(name, &c, time.Now().Add(patience))
		require.NoError(t, err)
	}
	return made
}

// requireReady waits until so many messages are with the broker.
func requireReady(t *testing.T, b *backend, n int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		backlog, err := b.whole().Backlog(t.Context(), topic)
		return err == nil && backlog.Ready == n
	}, patience, glance)
}

// Callers that have more to send than a lane has room for share it, and each hears of its own what came back.
func TestMoreThanALaneHasRoomFor(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	publish(t, b, "x")
	const callers, each, lost = 4, maxOnWay, 7
	var sending sync.WaitGroup
	for range callers {
		mine := posts(t, b, each)
		for i := lost; i < each; i += lost {
			mine[i].name = "nowhere"
		}
		sending.Go(func() {
			errs := b.broker.box.sendAll(time.Now().Add(patience), mine)
			if !assert.Len(t, errs, each) {
				return
			}
			for i, err := range errs {
				if i > 0 && i%lost == 0 {
					assert.ErrorIs(t, err, ErrUnroutable)
				} else {
					assert.NoError(t, err)
				}
			}
		})
	}
	sending.Wait()
	requireReady(t, b, 1+callers*(each-(each-1)/lost))
}

// Whoever leaves before the confirm takes nothing from the others, and what is sent after it goes on another channel.
func TestLateCallerLeavesAlone(t *testing.T) {
	t.Parallel()
	b, d := openThrough(t, newSite(t))
	used := b.broker.box.shared.lane
	hasty, calm := posts(t, b, 1), posts(t, b, 1)
	d.on.Store(true)
	answered := make(chan []error)
	go func() { answered <- b.broker.box.sendAll(time.Now().Add(patience), calm) }()
	require.ErrorIs(t, b.broker.box.sendAll(time.Now().Add(100*time.Millisecond), hasty)[0], ErrUnconfirmed)
	d.on.Store(false)
	require.Nil(t, <-answered)
	publish(t, b, "x")
	assert.NotSame(t, used, b.broker.box.shared.lane)
	require.Eventually(t, used.ch.IsClosed, patience, glance)
	requireReady(t, b, 4) // also what nobody waited for
}

// What comes too late is not sent, and nobody else's channel is given up for it.
func TestNothingIsSentLate(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	publish(t, b, "x")
	used := b.broker.box.shared.lane
	for _, err := range b.broker.box.sendAll(time.Now(), posts(t, b, 2)) {
		require.ErrorIs(t, err, errNotSent)
		require.ErrorIs(t, err, ErrUnconfirmed)
	}
	publish(t, b, "x")
	assert.Same(t, used, b.broker.box.shared.lane)
	requireReady(t, b, 2)
}

// What the broker closes the channel for is not the fault of the others that are on their way.
func TestRefusedAlone(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	publish(t, b, "x")
	const callers, each, bad = 4, 50, 25
	var sending sync.WaitGroup
	for range callers {
		mine := posts(t, b, each)
		mine[bad].UserId = "somebody else" // which RabbitMQ refuses as it does what is too large
		sending.Go(func() {
			errs := b.broker.box.sendAll(time.Now().Add(patience), mine)
			if !assert.Len(t, errs, each) {
				return
			}
			for i, err := range errs {
				if i == bad {
					assert.ErrorContains(t, err, "somebody else")
				} else {
					assert.NoError(t, err)
				}
			}
		})
	}
	sending.Wait()
	arrived := map[string]struct{}{}
	for messages := consume(t, b); len(arrived) < 1+callers*(each-1); { // some of them twice
		msg := receive(t, messages)
		arrived[msg.UUID] = struct{}{}
		msg.Ack()
	}
}

// A suspect of which the broker may have the first copy is not said to be certainly not there, nor is its queue blamed.
func TestSuspectThatIsLateIsUnconfirmed(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	publish(t, b, "x")
	late, cancel := context.WithCancel(t.Context())
	cancel()
	suspects := posts(t, b, 1)
	suspects[0].wait = 1000
	b.broker.box.sendAlone(late, suspects[0])
	require.ErrorIs(t, suspects[0].err, errNotSent)
	assert.Equal(t, true, suspects[0].Headers[headerCheck], "it may be there twice")
	errs := b.broker.deliver(time.Now(), suspects)
	require.ErrorIs(t, errs[0], ErrUnconfirmed)
	assert.False(t, neverLeft(errs[0]))
	assert.Empty(t, b.broker.queues.ill)
}

// What is in the middle of being sent when its time is over is left, with the lane as it was.
func TestLateOnTheLane(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	publish(t, b, "x")
	late, cancel := context.WithCancel(t.Context())
	cancel()
	l := b.broker.box.shared.lane
	for name, room := range map[string]int64{"with room": 0, "without room": maxOnWay} {
		require.True(t, l.room.TryAcquire(room), name)
		mine := posts(t, b, 2)
		assert.Equal(t, len(mine), l.send(late, mine), name)
		for _, p := range mine {
			require.ErrorIs(t, p.err, errNotSent, name)
			assert.False(t, p.silent, name)
		}
		l.room.Release(room)
		assert.True(t, l.usable(), name)
	}
	require.True(t, l.room.TryAcquire(maxOnWay), "all of its room is left")
	l.room.Release(maxOnWay)
}

// A large message waits for no room that others have, and they do not wait for it.
func TestLargeGoesApart(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	publish(t, b, "x")
	shared := b.broker.box.shared.lane
	require.True(t, shared.room.TryAcquire(maxOnWay-1), "as for a queue that does not confirm")
	large := newContent(message.NewMessage("large", make([]byte, maxOnWay*oneMore)))
	errs := b.broker.publish(topic, []content{newContent(message.NewMessage("1", nil)), large, newContent(message.NewMessage("2", nil))})
	require.Empty(t, errs)
	assert.NotNil(t, b.broker.box.large.lane)
	requireReady(t, b, 4)
}

// One that the broker refuses for its size is the only one on its way.
func TestRefusedForItsSize(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.cfg.MaxMessageBytes = 256 << 20 // RabbitMQ's own limit is less
	b := s.open(t)
	publish(t, b, "x")
	contents := []content{newContent(message.NewMessage("1", nil)), newContent(message.NewMessage("2", make([]byte, 140<<20))),
		newContent(message.NewMessage("3", nil))}
	errs := b.broker.publishUntil(time.Now().Add(patience), topic, contents)
	require.Len(t, errs, 3)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], ErrTooLarge)
	require.NoError(t, errs[2])
}
