package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// BenchmarkPickup measures how long after Accept was called a lone event reaches the processor.
func BenchmarkPickup(b *testing.B) {
	for _, backend := range backends {
		b.Run(backend.name, func(b *testing.B) {
			started := make(chan time.Time, 1)
			s := newService(b, backend.fresh(b), func(context.Context, asyncevents.Event) (any, error) {
				started <- time.Now()
				return nil, nil
			}, asyncevents.Config{})
			running(b, s, func() {
				pickup(b, 2*time.Millisecond, func() time.Duration {
					called := time.Now()
					_, err := s.Accept(context.Background(), asyncevents.Submission{Body: body})
					must(b, err)
					return (<-started).Sub(called)
				})
			})
		})
	}
}

// BenchmarkPickupAcross measures the same between two processes: one calls Accept, the other processes. Both read the
// clock of this machine.
func BenchmarkPickupAcross(b *testing.B) {
	for _, k := range servers() {
		b.Run(k.name, func(b *testing.B) {
			place := k.place(b)
			waits := make(chan time.Duration, 1)
			s := newService(b, k.at(b, place), func(_ context.Context, e asyncevents.Event) (any, error) {
				called, err := calledAt(e.Data)
				waits <- time.Since(called)
				return nil, err
			}, asyncevents.Config{})
			acceptor := startChild(b, "accept", k, place)
			running(b, s, func() {
				pickup(b, 20*time.Millisecond, func() time.Duration {
					acceptor.tell(b)
					return <-waits
				})
			})
			acceptor.end(b)
		})
	}
}

// pickup measures b.N lone events, each of which finds everything at rest.
func pickup(b *testing.B, rest time.Duration, lone func() time.Duration) {
	waits := make([]time.Duration, 0, b.N)
	n := b.N
	if testing.Short() {
		n = min(n, 20)
	}
	b.ResetTimer()
	for range n {
		waits = append(waits, lone())
		time.Sleep(rest)
	}
	b.StopTimer()
	reportQuantiles(b, "", waits)
}

// acceptOnDemand accepts an event for every line, which carries the time of its call.
func acceptOnDemand(backend *asyncevents.Backend) error {
	return withService(backend, idle, asyncevents.Config{}, func(s *asyncevents.Service) error {
		return onLines(func() error {
			event := fmt.Appendf(nil, `{"action":"point_add","data":%d}`, time.Now().UnixNano())
			_, err := s.Accept(context.Background(), asyncevents.Submission{Body: event})
			return err
		})
	})
}

func calledAt(data json.RawMessage) (time.Time, error) {
	var nano int64
	if err := json.Unmarshal(data, &nano); err != nil {
		return time.Time{}, err
	}
	return time.Unix(0, nano), nil
}

// running runs the service while something is done.
func running(tb testing.TB, s *asyncevents.Service, meanwhile func()) {
	must(tb, runWhile(s, func() error {
		meanwhile()
		return nil
	}))
}

// reportQuantiles reports p50 and p99 in milliseconds.
func reportQuantiles(b *testing.B, prefix string, took []time.Duration) {
	b.ReportMetric(quantile(took, .5), prefix+"p50-ms")
	b.ReportMetric(quantile(took, .99), prefix+"p99-ms")
}

// quantile returns a quantile in milliseconds.
func quantile(took []time.Duration, q float64) float64 {
	took = slices.Sorted(slices.Values(took))
	return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000
}
