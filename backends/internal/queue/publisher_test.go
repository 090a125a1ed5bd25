package queue_test

import (
	"context"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// taker is a Driver that takes what is published.
type taker struct {
	queue.Driver
	contexts []error
}

func (d *taker) Publish(ctx context.Context, _ string, _ ...*message.Message) error {
	d.contexts = append(d.contexts, ctx.Err())
	return nil
}

func TestPublisher(t *testing.T) {
	t.Parallel()
	driver := &taker{}
	p := queue.NewPublisher(driver)
	msg := message.NewMessage("1", nil)
	for _, topic := range []string{"", strings.Repeat("t", queue.MaxTopicLength+1), "a\nb", "\xff"} {
		require.ErrorIs(t, p.Publish(topic, msg), queue.ErrBadTopic, "%q", topic)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	msg.SetContext(gone)
	require.NoError(t, p.Publish("topic", msg), "a client that hung up cancels nothing that others share")
	require.NoError(t, p.Publish("topic"))
	assert.Equal(t, []error{nil}, driver.contexts)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	require.ErrorIs(t, p.Publish("topic", msg), queue.ErrClosed)
}

func TestSubscriberRefuses(t *testing.T) {
	t.Parallel()
	s, err := queue.NewSubscriber(&taker{}, asyncevents.SubscriberConfig{}, nil)
	require.NoError(t, err)
	_, err = s.Subscribe(t.Context(), "")
	require.ErrorIs(t, err, queue.ErrBadTopic)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Subscribe(t.Context(), "topic")
	require.ErrorIs(t, err, queue.ErrClosed)
}
