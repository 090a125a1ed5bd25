package bench

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

// BenchmarkForeign consumes messages that all fail once, alone and while a foreign transaction is open, which has the server
// keep the remains of every message; and then measures how long a lone message takes among these.
func BenchmarkForeign(b *testing.B) {
	for _, k := range servers() {
		race := race{}
		for _, open := range []bool{false, true} {
			name := map[bool]string{false: "alone", true: "beside-a-transaction"}[open]
			race.run(b, name, k.name, func(b *testing.B) { besides(b, k, open) })
		}
	}
}

func besides(b *testing.B, k kind, open bool) {
	place, timer := k.place(b), &claims{}
	backend := k.timedBy(timer).at(b, place)
	if open {
		k.linger(b, place)
	}
	publish(b, backend.Publisher, b.N)
	measured(b, func() { failOnce(b, backend, b.N) })
	before := len(timer.times())
	reportQuantiles(b, "lone-", deliverLone(b, backend))
	if k.timed != nil {
		reportQuantiles(b, "claim-", timer.times()[before:])
	}
}

// failOnce consumes n messages, each of which fails once and is tried again soon.
func failOnce(b *testing.B, backend *asyncevents.Backend, n int) {
	sub, err := backend.Subscriber(asyncevents.SubscriberConfig{Concurrency: 500})
	must(b, err)
	messages, err := sub.Subscribe(context.Background(), "bench")
	must(b, err)
	closed := make(chan error, 1)
	for msg := range messages {
		if msg.Metadata[retry.MetadataAttempt] == "1" {
			delay.Message(msg, delay.For(time.Millisecond))
			msg.Nack()
			continue
		}
		msg.Ack()
		if n--; n == 0 {
			go func() { closed <- sub.Close() }()
		}
	}
	must(b, <-closed)
}
