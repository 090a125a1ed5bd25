package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// replicasWindow is how long the replicas are watched, once all of them work.
const replicasWindow = 5 * time.Second

// BenchmarkReplicas measures what 1, 2 and 4 processes get done on one database, each with 100 handlers that take
// 50 ms: 2,000 events/s a process and no more. It takes as long as it takes, whatever -benchtime says.
func BenchmarkReplicas(b *testing.B) {
	for _, k := range servers() {
		lone := 0.0
		for _, n := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("%s/replicas=%d", k.name, n), func(b *testing.B) {
				rate := work(b, k, n)
				if n == 1 {
					lone = rate
				}
				b.ReportMetric(rate, "events/s")
				b.ReportMetric(rate/lone, "x-one")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// work returns how many events n replicas process a second while more wait than they can.
func work(b *testing.B, k kind, n int) float64 {
	place := k.place(b)
	backend := k.at(b, place)
	s := newService(b, backend, idle, asyncevents.Config{})
	fill(b, s, n*40_000)
	replicas := make([]*child, n)
	for i := range replicas {
		replicas[i] = startChild(b, "work", k, place)
	}
	for _, r := range replicas {
		for handled(b, r) < 1000 {
			time.Sleep(10 * time.Millisecond)
		}
	}
	before, started := handled(b, replicas...), time.Now()
	time.Sleep(replicasWindow)
	done, took := handled(b, replicas...)-before, time.Since(started)
	left, _, err := s.Backlog(context.Background(), asyncevents.EventsQueue)
	must(b, err)
	if left.Ready == 0 {
		b.Fatal("the replicas had nothing left to do")
	}
	for _, r := range replicas {
		r.end(b)
	}
	return done / took.Seconds()
}

// handled is how many events the replicas have processed.
func handled(b *testing.B, replicas ...*child) (sum float64) {
	for _, r := range replicas {
		r.tell(b)
		sum += r.number(b)
	}
	return sum
}

// workUntilTold is a replica. It answers each line with the number of events that it has processed.
func workUntilTold(backend *asyncevents.Backend) error {
	var done atomic.Int64
	processor := func(context.Context, asyncevents.Event) (any, error) {
		time.Sleep(50 * time.Millisecond)
		done.Add(1)
		return nil, nil
	}
	return withService(backend, processor, asyncevents.Config{Concurrency: 100}, func(s *asyncevents.Service) error {
		return runWhile(s, func() error {
			return onLines(func() error {
				_, err := fmt.Println(done.Load())
				return err
			})
		})
	})
}
