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
	// A lap consumes lapSize of them before the clock is read and the small case is filled up again.
	lapSize = 5_000
	laps    = 20
)

// BenchmarkWaiting compares the rate at which messages are consumed while ten million of them wait (or BENCH_WAITING)
// with that of ten thousand, in turns, and reports the medians of some rounds.
func BenchmarkWaiting(b *testing.B) {
	for _, k := range servers() {
		b.Run(k.name, func(b *testing.B) {
			f := figures{}
			few := waiting(b, k, fewWaiting)
			many := waiting(b, k, fromEnvironment("BENCH_WAITING", 10_000_000))
			for range rounds() {
				ofFew, ofMany := consumeAt(b, k, few), consumeAt(b, k, many)
				f.add(ofFew, "few/s")
				f.add(ofMany, "many/s")
				f.add(ofMany/ofFew, "many-of-few")
			}
			f.report(b)
		})
	}
}

// waiting makes a place where n messages wait.
func waiting(b *testing.B, k kind, n int) (place string) {
	place = k.place(b)
	backend := k.at(b, place)
	k.fill(b, place, backend, n)
	k.atRest(b, place)
	must(b, backend.Close())
	return place
}

// consumeAt returns the median rate of laps at a place, which it leaves as it was.
func consumeAt(b *testing.B, k kind, place string) float64 {
	backend := k.at(b, place)
	defer func() { must(b, backend.Close()) }() // the other place has the server for itself
	took := make([]time.Duration, laps)
	if testing.Short() {
		took = took[:1]
	}
	for i := range took {
		var consumed int
		took[i], consumed = consumeLap(b, backend)
		publish(b, backend.Publisher, consumed)
	}
	return 1000 * lapSize / quantile(took, .5)
}

// consumeLap returns how long a new consumer takes for lapSize messages, and how many it consumed until it was closed.
func consumeLap(b *testing.B, backend *asyncevents.Backend) (took time.Duration, consumed int) {
	started := time.Now()
	sub, err := backend.Subscriber(asyncevents.SubscriberConfig{Concurrency: 500})
	must(b, err)
	messages, err := sub.Subscribe(context.Background(), "bench")
	must(b, err)
	closed := make(chan error, 1)
	for msg := range messages {
		msg.Ack()
		if consumed++; consumed == lapSize {
			took = time.Since(started)
			go func() { closed <- sub.Close() }()
		}
	}
	must(b, <-closed)
	return took, consumed
}
