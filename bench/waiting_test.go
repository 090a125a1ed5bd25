package bench

import (
	"context"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

const (
	// fewWaiting is how many messages wait in the small case.
	fewWaiting = 10_000
	// A round consumes roundSize of them before the clock is read and the small case is filled up again.
	roundSize = 5_000
	rounds    = 20
)

// BenchmarkWaiting compares the rate at which messages are consumed while ten million of them wait (or BENCH_WAITING)
// with that of ten thousand.
func BenchmarkWaiting(b *testing.B) {
	for _, k := range servers() {
		b.Run(k.name, func(b *testing.B) {
			for range b.N {
				few := consumeOf(b, k, fewWaiting)
				many := consumeOf(b, k, fromEnvironment("BENCH_WAITING", 10_000_000))
				b.ReportMetric(few, "few/s")
				b.ReportMetric(many, "many/s")
				b.ReportMetric(many/few, "many-of-few")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// consumeOf returns the median rate of rounds at the beginning of which n messages wait.
func consumeOf(b *testing.B, k kind, n int) float64 {
	place := k.place(b)
	backend := k.at(b, place)
	defer func() { must(b, backend.Close()) }() // the next case has the server for itself
	k.fill(b, place, backend, n)
	k.atRest(b, place)
	took := make([]time.Duration, rounds)
	if testing.Short() {
		took = took[:1]
	}
	for i := range took {
		var consumed int
		took[i], consumed = consumeRound(b, backend)
		publish(b, backend.Publisher, consumed)
	}
	return 1000 * roundSize / quantile(took, .5)
}

// consumeRound returns how long a new consumer takes for roundSize messages, and how many it consumed until it was closed.
func consumeRound(b *testing.B, backend *asyncevents.Backend) (took time.Duration, consumed int) {
	started := time.Now()
	sub, err := backend.Subscriber(asyncevents.SubscriberConfig{Concurrency: 500})
	must(b, err)
	messages, err := sub.Subscribe(context.Background(), "bench")
	must(b, err)
	closed := make(chan error, 1)
	for msg := range messages {
		msg.Ack()
		if consumed++; consumed == roundSize {
			took = time.Since(started)
			go func() { closed <- sub.Close() }()
		}
	}
	must(b, <-closed)
	return took, consumed
}
