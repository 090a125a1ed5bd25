package dlq_test

import (
	"context"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// poisoned is a message as middleware.PoisonQueue publishes it.
func poisoned(uuid, reason string) *message.Message {
	msg := message.NewMessage(uuid, message.Payload(`{"a": 1}`))
	msg.Metadata = message.Metadata{"tenant": "a", "reason_poisoned": reason, "topic_poisoned": "orders",
		"handler_poisoned": "h", "subscriber_poisoned": "s"}
	return msg
}

func TestPublisherStoresPoison(t *testing.T) {
	t.Parallel()
	f := &fake{}
	p := dlq.NewPublisher(f, quiet)
	msg := poisoned("uuid", strings.Repeat("x", 1<<20))
	before := retry.History{{Number: 3, Error: "the first"}}
	msg.Metadata.Set(retry.MetadataHistory, before.String())
	require.NoError(t, p.Publish("orders-dlq", msg, poisoned("uuid2", "other")))
	require.Len(t, f.all(), 2)
	entry := f.all()[0]
	assert.Equal(t, "orders-dlq", entry.Queue)
	assert.Equal(t, "orders", entry.Topic)
	assert.Equal(t, "uuid", entry.MessageID)
	assert.Equal(t, map[string]string{"tenant": "a"}, entry.Metadata)
	assert.Equal(t, dlq.TypePoisoned, entry.Failure.Type)
	assert.Len(t, entry.Failure.Message, retry.MaxErrorText)
	require.Len(t, entry.Attempts, 2)
	assert.Equal(t, "the first", entry.Attempts[0].Error)
	assert.Equal(t, 4, entry.Attempts.Last())
	assert.Equal(t, before.String(), msg.Metadata.Get(retry.MetadataHistory), "the message stays as it is")
}

func TestPublisherOutlivesTheMessagesContext(t *testing.T) {
	t.Parallel()
	f := &fake{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	msg := poisoned("uuid", "context deadline exceeded")
	msg.SetContext(ctx)
	require.NoError(t, dlq.NewPublisher(f, quiet).Publish("dlq", msg))
	assert.Len(t, f.all(), 1)
}

func TestPublisherErrors(t *testing.T) {
	t.Parallel()
	f := &fake{addErr: errAway}
	p := dlq.NewPublisher(f, nil)
	err := p.Publish("dlq", poisoned("uuid", "x"))
	require.ErrorIs(t, err, errAway)
	require.ErrorContains(t, err, "dlq: publish message uuid to dlq")
	f.setAddErr(dlq.ErrNotHeld)
	require.NoError(t, p.Publish("dlq", poisoned("uuid", "x")))
	require.ErrorIs(t, p.Publish("dlq", message.NewMessage("uuid", nil)), dlq.ErrNoTopic)
	require.ErrorContains(t, p.Publish("", poisoned("uuid", "x")), "no queue named")
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	require.ErrorIs(t, p.Publish("dlq", poisoned("uuid", "x")), dlq.ErrClosed)
}
