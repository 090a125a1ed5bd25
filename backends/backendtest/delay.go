package backendtest

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

var delayCases = []testCase{
	{"nack keeps what the handler left and waits", nackWithDelay},
	{"nack without a delay waits as the policy says", nackByPolicy},
	{"published with a delay waits", publishDelayed},
	{"a delay that cannot be read is none", publishOddDelay},
	{"what waits holds no place", delayHoldsNothing},
}

const wait = 150 * time.Millisecond

func nackWithDelay(t *testing.T, f *fixture) {
	sent := newMessage("x")
	sent.Metadata.Set("old", "kept")
	require.NoError(t, f.Publisher.Publish(topic, sent))
	messages := f.consume(t, topic, quick())
	msg := receive(t, messages)
	history := retry.History{}.Append(attempt(1, "boom"))
	msg.Metadata.Set(retry.MetadataHistory, history.String())
	msg.Metadata.Set("new", "added")
	delay.Message(msg, delay.For(wait))
	start := time.Now()
	msg.Nack()

	msg = receive(t, messages)
	assert.GreaterOrEqual(t, time.Since(start), wait, "the delay is a lower bound")
	assert.Equal(t, sent.UUID, msg.UUID)
	assert.Equal(t, "x", string(msg.Payload))
	assert.Equal(t, "kept", msg.Metadata.Get("old"))
	assert.Equal(t, "added", msg.Metadata.Get("new"))
	assert.Empty(t, msg.Metadata.Get(delay.DelayedForKey), "the next nack must not find this delay")
	assert.Empty(t, msg.Metadata.Get(delay.DelayedUntilKey))
	delivery := retry.DeliveryOf(msg)
	assert.Equal(t, 2, delivery.Attempt)
	assert.Equal(t, history, delivery.History)
	msg.Ack()
	f.requireEmpty(t, topic)
}

func nackByPolicy(t *testing.T, f *fixture) {
	cfg := quick()
	cfg.Policy = retry.Fixed(wait)
	require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	messages := f.consume(t, topic, cfg)
	msg := receive(t, messages)
	for n := 1; n <= 3; n++ {
		assert.Equal(t, n, retry.DeliveryOf(msg).Attempt)
		start := time.Now()
		msg.Nack()
		msg = receive(t, messages)
		assert.GreaterOrEqual(t, time.Since(start), wait, "the wait is a lower bound")
	}
	msg.Ack()
	f.requireEmpty(t, topic)
}

func publishDelayed(t *testing.T, f *fixture) {
	messages := f.consume(t, topic, quick())
	msg := newMessage("later")
	msg.Metadata.Set("k", "v")
	delay.Message(msg, delay.For(wait))
	start := time.Now()
	require.NoError(t, f.Publisher.Publish(topic, msg))

	got := receive(t, messages)
	assert.GreaterOrEqual(t, time.Since(start), wait, "the delay is a lower bound")
	assert.Equal(t, "later", string(got.Payload))
	assert.Equal(t, "v", got.Metadata.Get("k"))
	assert.Empty(t, got.Metadata.Get(delay.DelayedForKey))
	assert.Empty(t, got.Metadata.Get(delay.DelayedUntilKey))
	assert.Equal(t, 1, retry.DeliveryOf(got).Attempt)
	got.Ack()
}

func publishOddDelay(t *testing.T, f *fixture) {
	for _, text := range []string{"soon", "-1h", "0s", ""} {
		msg := newMessage(text)
		msg.Metadata.Set(delay.DelayedForKey, text)
		msg.Metadata.Set(delay.DelayedUntilKey, "yesterday")
		require.NoError(t, f.Publisher.Publish(topic, msg))
	}
	messages := f.consume(t, topic, quick())
	for range 4 {
		receive(t, messages).Ack()
	}
	f.requireEmpty(t, topic)
}

func delayHoldsNothing(t *testing.T, f *fixture) {
	cfg := quick()
	cfg.Concurrency = 1
	messages := f.consume(t, topic, cfg)
	for range 5 {
		require.NoError(t, f.Publisher.Publish(topic, newMessage("bad")))
		msg := receive(t, messages)
		delay.Message(msg, delay.For(time.Hour))
		msg.Nack()
	}
	require.NoError(t, f.Publisher.Publish(topic, newMessage("good")))
	msg := receive(t, messages)
	assert.Equal(t, "good", string(msg.Payload))
	msg.Ack()
	f.requireBacklog(t, topic, asyncevents.Backlog{Delayed: 5})
}
