package amqp

import (
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// posts makes messages ready for a queue that is there.
func posts(t *testing.T, b *backend, n int, until time.Time) []*post {
	t.Helper()
	name, err := b.broker.queueOf(topic)
	require.NoError(t, err)
	made := make([]*post, n)
	for i := range made {
		c := newContent(message.NewMessage(watermill.NewUUID(), []byte("x")))
		made[i], err = b.broker.newPost(name, &c, until)
		require.NoError(t, err)
	}
	return made
}

// Callers that have more to send than a lane has room for share it, and each hears of its own what came back.
func TestMoreThanALaneHasRoomFor(t *testing.T) {
	t.Parallel()
	b := newSite(t).open(t)
	publish(t, b, "x")
	const callers, each, lost = 4, maxOnWay, 7
	var sending sync.WaitGroup
	for range callers {
		mine := posts(t, b, each, time.Now().Add(patience))
		for i := lost; i < each; i += lost {
			mine[i].name = "nowhere"
		}
		sending.Go(func() {
			errs := b.broker.box.sendAll(mine)
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
	backlog, err := b.whole().Backlog(t.Context(), topic)
	require.NoError(t, err)
	assert.Equal(t, int64(1+callers*(each-(each-1)/lost)), backlog.Ready)
}

// Whoever leaves before the confirm takes nothing from the others, and what is sent after it goes on another channel.
func TestLateCallerLeavesAlone(t *testing.T) {
	t.Parallel()
	b, d := openThrough(t, newSite(t))
	used := b.broker.box.shared.lane
	hasty, patient := posts(t, b, 1, time.Now().Add(100*time.Millisecond)), posts(t, b, 1, time.Now().Add(patience))
	d.on.Store(true)
	answered := make(chan []error)
	go func() { answered <- b.broker.box.sendAll(patient) }()
	require.ErrorIs(t, b.broker.box.sendAll(hasty)[0], ErrUnconfirmed)
	d.on.Store(false)
	require.Nil(t, <-answered)
	publish(t, b, "x")
	assert.NotSame(t, used, b.broker.box.shared.lane)
	require.Eventually(t, used.ch.IsClosed, patience, glance)
	backlog, err := b.whole().Backlog(t.Context(), topic)
	require.NoError(t, err)
	assert.Equal(t, int64(4), backlog.Ready, "what nobody waited for has come as well")
}

// What the broker closes the channel for is not the fault of the others that are on their way.
func TestRefusedAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.cfg.MaxMessageBytes = 256 << 20 // RabbitMQ's own limit is less
	s.cfg.PublishTimeout = patience
	b := s.open(t)
	publish(t, b, "x")
	var others sync.WaitGroup
	refused := make(chan struct{})
	for range 10 {
		others.Go(func() {
			for {
				assert.NoError(t, b.whole().Publisher.Publish(topic, message.NewMessage(watermill.NewUUID(), nil)))
				select {
				case <-refused:
					return
				default:
				}
			}
		})
	}
	contents := []content{newContent(message.NewMessage("1", nil)), newContent(message.NewMessage("2", make([]byte, 140<<20))),
		newContent(message.NewMessage("3", nil))}
	errs := b.broker.publish(topic, contents)
	close(refused)
	others.Wait()
	require.Len(t, errs, 3)
	require.NoError(t, errs[0])
	require.ErrorIs(t, errs[1], ErrTooLarge)
	require.NoError(t, errs[2])
}
