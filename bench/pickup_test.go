package bench

import (
	"context"
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
			s := newService(b, backend.open(b), func(context.Context, asyncevents.Event) (any, error) {
				started <- time.Now()
				return nil, nil
			}, asyncevents.Config{})
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			waits := make([]time.Duration, 0, b.N)
			b.ResetTimer()
			for range b.N {
				called := time.Now()
				_, err := s.Accept(context.Background(), asyncevents.Submission{Body: body})
				must(b, err)
				waits = append(waits, (<-started).Sub(called))
				time.Sleep(2 * time.Millisecond) // a lone event finds everything at rest
			}
			b.StopTimer()
			cancel()
			must(b, <-ended)
			slices.Sort(waits)
			quantile := func(q float64) float64 {
				return float64(waits[int(q*float64(len(waits)-1))].Microseconds()) / 1000
			}
			b.ReportMetric(quantile(.5), "p50-ms")
			b.ReportMetric(quantile(.99), "p99-ms")
		})
	}
}
