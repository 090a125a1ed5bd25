package bench

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
)

// loneMessages is how many lone messages a case with a large store waits for, whatever -benchtime says: what takes long
// is filling the store.
const loneMessages = 500

// BenchmarkDelayed measures how long a lone message takes from Publish to its handler while a million others on its
// topic are delayed and not due.
func BenchmarkDelayed(b *testing.B) {
	for _, k := range durable() {
		b.Run(k.name, func(b *testing.B) {
			for range b.N {
				place, timer := k.place(b), &claims{}
				backend := k.timedBy(timer).at(b, place)
				publishEach(b, backend.Publisher, entries(), func(msg *message.Message) { delay.Message(msg, delay.For(time.Hour)) })
				k.atRest(b, place)
				reportQuantiles(b, "", deliverLone(b, backend))
				if k.timed != nil {
					reportQuantiles(b, "claim-", timer.times())
				}
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// deliverLone publishes messages one by one, each when everything is at rest, and returns how long each took to arrive.
func deliverLone(b *testing.B, backend *asyncevents.Backend) (waits []time.Duration) {
	sub, err := backend.Subscriber(asyncevents.SubscriberConfig{})
	must(b, err)
	messages, err := sub.Subscribe(context.Background(), "bench")
	must(b, err)
	for range loneMessages {
		time.Sleep(5 * time.Millisecond)
		published := time.Now()
		lone := message.NewMessage(watermill.NewUUID(), body)
		must(b, backend.Publisher.Publish("bench", lone))
		msg := <-messages
		waits = append(waits, time.Since(published))
		if msg.UUID != lone.UUID {
			b.Fatal("a delayed message came before its time")
		}
		msg.Ack()
	}
	must(b, sub.Close())
	return waits
}
