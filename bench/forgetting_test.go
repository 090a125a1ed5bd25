package bench

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// BenchmarkForgetting measures the intake alone, and beside the forgetting of old statuses at the service's own pace: the rate from 256
// callers, and how long calls take that come at a steady pace. of-alone is the median of the ratios of the rates.
func BenchmarkForgetting(b *testing.B) {
	for _, k := range durable() {
		b.Run(k.name, func(b *testing.B) {
			f := figures{}
			for range rounds() {
				forgettingBeside(b, f, k)
			}
			f.report(b)
		})
	}
}

// counting is a store that counts what it forgets.
type counting struct {
	asyncevents.Store
	forgotten atomic.Int64
}

func (c *counting) Forget(ctx context.Context, kept time.Duration, after string) (next string, n int, err error) {
	next, n, err = c.Store.Forget(ctx, kept, after)
	c.forgotten.Add(int64(n))
	return next, n, err
}

// forgettingBeside fills a store with statuses of events that are done, and measures the intake before and while they are forgotten.
func forgettingBeside(b *testing.B, f figures, k kind) {
	backend := k.at(b, k.place(b))
	defer func() { must(b, backend.Close()) }()
	old := entries() / 10
	done := newService(b, backend, idle, asyncevents.Config{Concurrency: 500, TopicPrefix: "done."})
	fill(b, done, old)
	running(b, done, func() { awaitEmpty(b, done) })

	s := newService(b, backend, idle, asyncevents.Config{})
	aloneRate, alone := loaded(b, s)
	aside := *backend
	store := &counting{Store: backend.Events}
	aside.Events = store
	forgetter := newService(b, &aside, idle, asyncevents.Config{TopicPrefix: "aside.", KeepStatuses: time.Millisecond})
	var rate float64
	var took []time.Duration
	began := time.Now()
	running(b, forgetter, func() { rate, took = loaded(b, s) })
	f.add(float64(store.forgotten.Load())/time.Since(began).Seconds(), "forgotten/s")
	f.add(rate, "events/s")
	f.add(rate/aloneRate, "of-alone")
	f.add(quantile(alone, .99), "alone-p99-ms")
	f.add(quantile(took, .99), "p99-ms")
}

// awaitEmpty waits until everything is processed.
func awaitEmpty(b *testing.B, s *asyncevents.Service) {
	for {
		backlog, _, err := s.Backlog(context.Background(), asyncevents.EventsQueue)
		must(b, err)
		if backlog == (asyncevents.Backlog{}) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// loaded measures the intake: what it takes from many callers, and then how long it takes with few.
func loaded(b *testing.B, s *asyncevents.Service) (rate float64, took []time.Duration) {
	n := entries() / 20
	began := time.Now()
	fill(b, s, n)
	rate = float64(n) / time.Since(began).Seconds()
	in := startIntake(s)
	time.Sleep(3 * time.Second)
	return rate, in.end(b)
}
