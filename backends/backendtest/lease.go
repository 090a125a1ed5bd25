package backendtest

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

var leaseCases = []testCase{
	{"a consumer that dies loses its message", leaseExpires},
	{"a relay's lost attempts are not recorded", leaseRelayed},
	{"another consumer takes over", leaseTakenOver},
	{"a claim that was lost cannot be acknowledged", leaseLostAck},
	{"a claim that was lost cannot be nacked", leaseLostNack},
	{"a handler may outlast its lease", leaseRenewed},
	{"many claims are renewed, and lost ones are told apart", leasesRenewed},
	{"messages that wait for their subscriber keep their leases", leaseWaiting},
	{"the attempt's context ends", leaseTimeout},
}

func leaseExpires(t *testing.T, f *fixture) {
	sent := newMessage("x")
	sent.Metadata.Set("k", "v")
	require.NoError(t, f.Publisher.Publish(topic, sent))
	messages := f.consume(t, topic, forgetful())
	for n := 1; n <= 4; n++ {
		msg := receive(t, messages)
		assert.Equal(t, sent.UUID, msg.UUID)
		assert.Equal(t, "v", msg.Metadata.Get("k"))
		delivery := retry.DeliveryOf(msg)
		assert.Equal(t, n, delivery.Attempt, "attempts that ended without a word count")
		require.Len(t, delivery.History, n-1, "and are recorded")
		for i, a := range delivery.History {
			assert.Equal(t, i+1, a.Number)
			assert.NotEmpty(t, a.Error)
			assert.False(t, a.StartedAt.IsZero())
		}
	}
}

func leaseRelayed(t *testing.T, f *fixture) {
	sent := relayed()
	require.NoError(t, f.Publisher.Publish(topic, sent))
	cfg := forgetful()
	cfg.Relay = true
	messages := f.consume(t, topic, cfg)
	for n := 1; n <= 3; n++ {
		msg := receive(t, messages)
		assert.Equal(t, n, retry.DeliveryOf(msg).Attempt)
		requireRelayed(t, sent, msg)
		msg.Metadata.Set("k", "changed by one that died")
	}
}

// relayed is a message that has been tried once.
func relayed() *message.Message {
	msg := newMessage("x")
	msg.Metadata.Set("k", "v")
	msg.Metadata.Set(retry.MetadataHistory, retry.History{attempt(1, "boom")}.String())
	return msg
}

// requireRelayed requires that a message is as it was sent.
func requireRelayed(t *testing.T, sent, msg *message.Message) {
	t.Helper()
	assert.Equal(t, sent.UUID, msg.UUID)
	assert.Equal(t, "v", msg.Metadata.Get("k"))
	assert.Equal(t, retry.History{attempt(1, "boom")}, retry.DeliveryOf(msg).History)
}

func leaseTakenOver(t *testing.T, f *fixture) {
	cfg := forgetful()
	cfg.Concurrency = 1 // its only place stays taken
	require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	dead := receive(t, f.consume(t, topic, cfg))
	heir := quick()
	heir.Lease = shortLease
	msg := receive(t, f.consume(t, topic, heir))
	assert.Equal(t, dead.UUID, msg.UUID)
	assert.Equal(t, 2, retry.DeliveryOf(msg).Attempt)
	msg.Ack()
	f.requireEmpty(t, topic)
}

func leaseLostAck(t *testing.T, f *fixture) {
	lost, present := loseClaim(t, f)
	lost.Ack()
	select {
	case <-lost.Context().Done():
	case <-time.After(patience):
		require.Fail(t, "the context of a lost message must end")
	}
	heir := receive(t, f.consume(t, topic, quick())) // the present one does not renew either
	assert.Equal(t, present.UUID, heir.UUID)
	assert.GreaterOrEqual(t, retry.DeliveryOf(heir).Attempt, 3)
	heir.Ack()
	f.requireEmpty(t, topic)
}

func leaseLostNack(t *testing.T, f *fixture) {
	cfg := forgetful()
	cfg.Concurrency = 1
	require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	lost := receive(t, f.consume(t, topic, cfg))
	heir := receive(t, f.consume(t, topic, quickLease()))
	lost.Metadata.Set("stale", "yes")
	lost.Nack()
	f.requireBacklog(t, topic, asyncevents.Backlog{InFlight: 1})
	require.NoError(t, heir.Context().Err())
	heir.Ack()
	f.requireEmpty(t, topic)
}

// quickLease is a quick consumer that also looks for expired leases often.
func quickLease() asyncevents.SubscriberConfig {
	cfg := quick()
	cfg.Lease = shortLease
	return cfg
}

func leaseRenewed(t *testing.T, f *fixture) {
	cfg := quickLease()
	cfg.Concurrency = 1
	require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	msg := receive(t, f.consume(t, topic, cfg))
	requireNone(t, f.consume(t, topic, cfg), 4*shortLease)
	require.NoError(t, msg.Context().Err())
	msg.Ack()
	f.requireEmpty(t, topic)
}

func leasesRenewed(t *testing.T, f *fixture) {
	const n = 5
	cfg := quickLease()
	cfg.Concurrency = n
	messages := f.consume(t, topic, cfg)
	held := make([]*message.Message, n)
	for i := range held { // one after the other, so that each has a claim of its own
		require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
		held[i] = receive(t, messages)
	}
	require.NoError(t, f.DeadLetters.Add(settling(held[2]), entry(deadQueue, held[2].UUID))) // and so its claim is gone
	requireNone(t, f.consume(t, topic, cfg), 4*shortLease)
	for i, msg := range held {
		if i != 2 {
			require.NoError(t, msg.Context().Err())
		}
		msg.Ack()
	}
	f.requireEmpty(t, topic)
}

func leaseWaiting(t *testing.T, f *fixture) {
	const n = 4
	for range n {
		require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	}
	cfg := quickLease()
	cfg.Concurrency = n
	messages := f.consume(t, topic, cfg)
	for range n { // one after the other, each longer than a lease
		msg := receive(t, messages)
		assert.Equal(t, 1, retry.DeliveryOf(msg).Attempt, "waiting is no attempt")
		time.Sleep(2 * shortLease)
		require.NoError(t, msg.Context().Err())
		msg.Ack()
	}
	f.requireEmpty(t, topic)
}

func leaseTimeout(t *testing.T, f *fixture) {
	cfg := quick()
	cfg.AttemptTimeout = 50 * time.Millisecond
	require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	messages := f.consume(t, topic, cfg)
	msg := receive(t, messages)
	select {
	case <-msg.Context().Done():
	case <-time.After(patience):
		require.Fail(t, "the context must end at AttemptTimeout")
	}
	msg.Nack()
	msg = receive(t, messages)
	assert.Equal(t, 2, retry.DeliveryOf(msg).Attempt)
	msg.Ack()
	f.requireEmpty(t, topic)
}
