package backendtest

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

var deliverCases = []testCase{
	{"payloads arrive byte for byte", deliverPayloads},
	{"metadata arrives as it is", deliverMetadata},
	{"what is delivered is a copy", deliverCopies},
	{"topics are apart", deliverTopics},
	{"two subscribers share", deliverShared},
	{"concurrency is bounded", deliverBounded},
	{"each message once", deliverOnce},
	{"published together are all there", deliverBatch},
	{"refuses bad topics", deliverBadTopics},
}

func deliverPayloads(t *testing.T, f *fixture) {
	for name, payload := range odd() {
		require.NoError(t, f.Publisher.Publish(topic, message.NewMessage(name, payload)))
	}
	messages := f.consume(t, topic, quick())
	seen := map[string]bool{}
	for range odd() {
		msg := receive(t, messages)
		seen[msg.UUID] = true
		assert.Equal(t, string(odd()[msg.UUID]), string(msg.Payload), msg.UUID)
		msg.Ack()
	}
	assert.Len(t, seen, len(odd()))
	f.requireEmpty(t, topic)
}

func deliverMetadata(t *testing.T, f *fixture) {
	sent := newMessage("x")
	sent.Metadata = oddMetadata()
	require.NoError(t, f.Publisher.Publish(topic, sent))
	want := oddMetadata()
	want[retry.MetadataAttempt] = "1"
	messages := f.consume(t, topic, quick())
	msg := receive(t, messages)
	assert.Equal(t, want, msg.Metadata)
	msg.Nack()
	want[retry.MetadataAttempt] = "2"
	msg = receive(t, messages)
	assert.Equal(t, want, msg.Metadata)
	msg.Ack()

	bare := &message.Message{UUID: "bare"}
	require.NoError(t, f.Publisher.Publish(topic, bare))
	msg = receive(t, messages)
	assert.Equal(t, message.Metadata{retry.MetadataAttempt: "1"}, msg.Metadata)
	msg.Ack()
}

func deliverCopies(t *testing.T, f *fixture) {
	sent := newMessage("abc")
	sent.Metadata.Set("k", "v")
	require.NoError(t, f.Publisher.Publish(topic, sent))
	sent.Payload[0] = 'X'
	sent.Metadata.Set("k", "changed")
	messages := f.consume(t, topic, quick())
	for range 2 {
		msg := receive(t, messages)
		assert.Equal(t, "abc", string(msg.Payload))
		assert.Equal(t, "v", msg.Metadata.Get("k"))
		msg.Payload[0] = 'Y' // a handler may work in place; the next attempt must not see it
		msg.Nack()
	}
}

func deliverTopics(t *testing.T, f *fixture) {
	names := []string{"a", "A", "a.b", "a b", "ä", "a%", "a_"}
	for _, name := range names {
		require.NoError(t, f.Publisher.Publish(name, newMessage(name)))
	}
	for _, name := range names {
		msg := receive(t, f.consume(t, name, quick()))
		assert.Equal(t, name, string(msg.Payload))
		msg.Ack()
		f.requireEmpty(t, name)
	}
}

func deliverShared(t *testing.T, f *fixture) {
	cfg := quick()
	cfg.Concurrency = 1
	one, other := f.consume(t, topic, cfg), f.consume(t, topic, cfg)
	require.NoError(t, f.Publisher.Publish(topic, newMessage("1"), newMessage("2")))
	first, second := receive(t, one), receive(t, other)
	assert.NotEqual(t, first.UUID, second.UUID)
	first.Ack()
	second.Ack()
	f.requireEmpty(t, topic)
}

func deliverBounded(t *testing.T, f *fixture) {
	const bound, total = 3, 40
	cfg := quick()
	cfg.Concurrency = bound
	for range total {
		require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	}
	messages := f.consume(t, topic, cfg)
	held := []*message.Message{receive(t, messages), receive(t, messages), receive(t, messages)}
	requireNone(t, messages, 50*time.Millisecond)
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: total - bound, InFlight: bound})
	for _, msg := range held {
		msg.Ack()
	}
	var running atomic.Int64
	var handlers sync.WaitGroup
	for range total - bound {
		msg := receive(t, messages)
		handlers.Go(func() {
			assert.LessOrEqual(t, running.Add(1), int64(bound))
			running.Add(-1)
			msg.Ack()
		})
	}
	handlers.Wait()
	f.requireEmpty(t, topic)
}

func deliverOnce(t *testing.T, f *fixture) {
	const total = 300
	for i := range total {
		require.NoError(t, f.Publisher.Publish(topic, message.NewMessage(strconv.Itoa(i), nil)))
	}
	var mu sync.Mutex
	runs := map[string]int{}
	for range 3 {
		messages := f.consume(t, topic, quick())
		go func() {
			for msg := range messages {
				mu.Lock()
				runs[msg.UUID]++
				mu.Unlock()
				msg.Ack()
			}
		}()
	}
	f.requireEmpty(t, topic)
	mu.Lock()
	defer mu.Unlock()
	assert.Len(t, runs, total)
	for id, n := range runs {
		assert.Equal(t, 1, n, id)
	}
}

func deliverBatch(t *testing.T, f *fixture) {
	require.NoError(t, f.Publisher.Publish(topic))
	batch := make([]*message.Message, 1000)
	for i := range batch {
		batch[i] = newMessage("x")
	}
	require.NoError(t, f.Publisher.Publish(topic, batch...))
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: int64(len(batch))})
}

func deliverBadTopics(t *testing.T, f *fixture) {
	long := string(make([]byte, 1000))
	for _, name := range []string{"", "a\x00b", "a\nb", "\xff", long} {
		require.Error(t, f.Publisher.Publish(name, newMessage("x")), "%q", name)
		_, err := f.subscriber(t, quick()).Subscribe(t.Context(), name)
		require.Error(t, err, "%q", name)
	}
}
