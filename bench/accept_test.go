package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redrive-go/redrive/asyncevents"
)

// BenchmarkAccept accepts events below HTTP, durably, from a number of callers at once.
func BenchmarkAccept(b *testing.B) {
	for _, backend := range backends {
		for _, callers := range []int{1, 16, 64, 256} {
			b.Run(fmt.Sprintf("%s/callers=%d", backend.name, callers), func(b *testing.B) {
				accept(b, backend.fresh(b), callers)
			})
		}
	}
}

func accept(b *testing.B, backend *asyncevents.Backend, callers int) {
	s := newService(b, backend, idle, asyncevents.Config{})
	accepted(b, callers, func(ctx context.Context) error {
		_, err := s.Accept(ctx, asyncevents.Submission{Body: body})
		return err
	})
}

// warmUp is how many calls are made before the clock starts: until connections are open and statements are prepared.
const warmUp = 2000

// accepted measures b.N calls from a number of callers at once.
func accepted(b *testing.B, callers int, call func(context.Context) error) {
	called(b, warmUp, callers, call)
	measured(b, func() { called(b, b.N, callers, call) })
}

// called makes n calls from a number of callers at once.
func called(b *testing.B, n, callers int, call func(context.Context) error) {
	var left atomic.Int64
	left.Store(int64(n))
	var calling sync.WaitGroup
	for range callers {
		calling.Go(func() {
			for left.Add(-1) >= 0 {
				if err := call(context.Background()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	calling.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// fill accepts n events from many callers.
func fill(b *testing.B, s *asyncevents.Service, n int) {
	called(b, n, 256, func(ctx context.Context) error {
		_, err := s.Accept(ctx, asyncevents.Submission{Body: body})
		return err
	})
}

func idle(context.Context, asyncevents.Event) (any, error) { return nil, nil }
