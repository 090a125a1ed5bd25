package foreign

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/sqlite"
)

// BenchmarkInbox is the way from the transport to a handler that does nothing, with SQLite, by the number of subscriptions.
func BenchmarkInbox(b *testing.B) {
	for _, inboxes := range []int{1, 4, DefaultInboxes, 64} {
		b.Run(strconv.Itoa(inboxes), func(b *testing.B) {
			broker := newBroker()
			store, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "events.db"), nil)
			require.NoError(b, err)
			cfg := config(broker)
			cfg.Inboxes = inboxes
			backend, err := New(broker, broker, store, cfg)
			require.NoError(b, err)
			for range b.N {
				require.NoError(b, broker.Publish(topic, message.NewMessage(watermill.NewUUID(), []byte("{}"))))
			}
			subscriber, err := backend.Subscriber(asyncevents.SubscriberConfig{})
			require.NoError(b, err)
			b.ResetTimer()
			messages, err := subscriber.Subscribe(context.Background(), topic)
			require.NoError(b, err)
			for range b.N {
				(<-messages).Ack()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			require.NoError(b, subscriber.Close())
			require.NoError(b, backend.Close())
		})
	}
}
