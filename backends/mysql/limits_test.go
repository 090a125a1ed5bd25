package mysql_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/internal/testserver"
)

func acceptance(id string, body []byte) asyncevents.Acceptance {
	return asyncevents.Acceptance{
		CorrelationID: id, AcceptedAt: time.Now(), Topic: "events", Message: message.NewMessage(id, body),
	}
}

// A server without strict mode would cut what is too long, and a cut id is another one's.
func TestTooLong(t *testing.T) {
	t.Parallel()
	b, err := mysql.New(t.Context(), pool(t, testserver.MySQLDatabase(t), 4, "?sql_mode=%27%27"), nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, b.Close()) }()
	long := strings.Repeat("x", 256)

	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			_, err := b.Events.Accept(t.Context(), acceptance(long, nil))
			assert.ErrorContains(t, err, "correlation_id is too long")
			_, err = b.Events.Accept(t.Context(), acceptance(message.NewMessage("", nil).UUID+time.Now().String(), nil))
			assert.NoError(t, err, "one that is too long fails alone")
		})
	}
	calls.Wait()
	_, err = b.Events.Accept(t.Context(), acceptance(long[1:], nil))
	require.NoError(t, err)
	_, err = b.Events.Find(t.Context(), long)
	require.ErrorIs(t, err, asyncevents.ErrNotFound)
	require.ErrorContains(t, b.Publisher.Publish("events", message.NewMessage(long, nil)), "uuid is too long")
	entry := dlq.Entry{Queue: "events", Topic: "events", MessageID: long, CorrelationID: "c"}
	require.ErrorContains(t, b.DeadLetters.Add(t.Context(), entry), "message_id is too long")
	entry.Queue, entry.MessageID = long, "m"
	require.ErrorContains(t, b.DeadLetters.Add(t.Context(), entry), "the name of the DLQ is too long")
	stats, err := b.DeadLetters.Stat(t.Context(), long[1:])
	require.NoError(t, err)
	assert.Zero(t, stats.Count)
}

// Batches of large messages go through whatever the host's driver does, and come back whole.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	for _, params := range []string{"", "?interpolateParams=true"} {
		b, err := mysql.New(t.Context(), pool(t, testserver.MySQLDatabase(t), 4, params), nil)
		require.NoError(t, err)
		payload := bytes.Repeat([]byte{0, '\'', '\\', 0xff}, 3<<18) // 3 MiB, of which much needs an escape
		var calls sync.WaitGroup
		for i := range 8 {
			calls.Go(func() {
				// On a busy machine one may take longer than Accept has patience: it is sent again, as a client does.
				assert.Eventually(t, func() bool {
					_, err := b.Events.Accept(t.Context(), acceptance(string(rune('a'+i)), payload))
					return err == nil
				}, time.Minute, time.Millisecond)
			})
		}
		calls.Wait()
		require.False(t, t.Failed())
		s, err := b.Subscriber(asyncevents.SubscriberConfig{Concurrency: 8})
		require.NoError(t, err)
		messages, err := s.Subscribe(t.Context(), "events")
		require.NoError(t, err)
		for range 8 {
			msg := <-messages
			assert.True(t, bytes.Equal(payload, msg.Payload))
			msg.Ack()
		}
		err = b.Publisher.Publish("events", message.NewMessage("large", make([]byte, 1<<30)))
		require.ErrorContains(t, err, "max_allowed_packet")
		require.NoError(t, s.Close())
		require.NoError(t, b.Close())
	}
}
