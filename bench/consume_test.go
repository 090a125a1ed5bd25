package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
)

// BenchmarkConsume consumes waiting messages through Watermill's router, with nothing but the queue.
func BenchmarkConsume(b *testing.B) {
	for _, backend := range backends {
		for _, flight := range []int{100, 500} {
			for _, takes := range []time.Duration{0, 5 * time.Millisecond} {
				b.Run(fmt.Sprintf("%s/flight=%d/handler=%s", backend.name, flight, takes), func(b *testing.B) {
					consume(b, backend, flight, takes)
				})
			}
		}
	}
}

func consume(b *testing.B, k kind, flight int, takes time.Duration) {
	place := k.place(b)
	backend := k.at(b, place)
	publish(b, backend.Publisher, b.N)
	k.atRest(b, place)
	sub, err := backend.Subscriber(asyncevents.SubscriberConfig{Concurrency: flight})
	must(b, err)
	routed(b, sub, takes)
}

// routed consumes b.N waiting messages through Watermill's router.
func routed(b *testing.B, sub message.Subscriber, takes time.Duration) {
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	must(b, err)
	var handled atomic.Int64
	done := make(chan struct{})
	router.AddConsumerHandler("bench", "bench", sub, func(*message.Message) error {
		if takes > 0 {
			time.Sleep(takes)
		}
		if handled.Add(1) == int64(b.N) {
			close(done)
		}
		return nil
	})
	measured(b, func() {
		ended := make(chan error, 1)
		go func() { ended <- router.Run(context.Background()) }()
		<-done
		<-router.Running()
		must(b, router.Close())
		must(b, <-ended)
	})
	if n := handled.Load(); n != int64(b.N) {
		b.Fatalf("%d messages handled, not %d", n, b.N)
	}
}

// publish publishes n messages in large batches.
func publish(b *testing.B, p message.Publisher, n int) {
	publishEach(b, p, n, func(*message.Message) {})
}

// publishEach publishes n messages after a change to each.
func publishEach(b *testing.B, p message.Publisher, n int, change func(*message.Message)) {
	for n > 0 {
		batch := make([]*message.Message, min(n, 1000))
		for i := range batch {
			batch[i] = message.NewMessage(watermill.NewUUID(), body)
			change(batch[i])
		}
		must(b, p.Publish("bench", batch...))
		n -= len(batch)
	}
}

// BenchmarkProcess consumes waiting events through the whole service: attempt, status, settlement.
func BenchmarkProcess(b *testing.B) {
	for _, backend := range backends {
		for _, takes := range []time.Duration{0, 5 * time.Millisecond} {
			b.Run(fmt.Sprintf("%s/flight=500/handler=%s", backend.name, takes), func(b *testing.B) {
				var handled atomic.Int64
				done := make(chan struct{})
				s := newService(b, backend.fresh(b), func(context.Context, asyncevents.Event) (any, error) {
					if takes > 0 {
						time.Sleep(takes)
					}
					if handled.Add(1) == int64(b.N) {
						close(done)
					}
					return nil, nil
				}, asyncevents.Config{Concurrency: 500})
				fill(b, s, b.N)
				measured(b, func() {
					ctx, cancel := context.WithCancel(context.Background())
					ended := make(chan error, 1)
					go func() { ended <- s.Run(ctx) }()
					<-done
					cancel()
					must(b, <-ended)
				})
			})
		}
	}
}
