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
				s := newService(b, backend.open(b), idle, asyncevents.Config{})
				var left atomic.Int64
				left.Store(int64(b.N))
				measured(b, func() {
					var calling sync.WaitGroup
					for range callers {
						calling.Go(func() {
							for left.Add(-1) >= 0 {
								if _, err := s.Accept(context.Background(), asyncevents.Submission{Body: body}); err != nil {
									b.Error(err)
									return
								}
							}
						})
					}
					calling.Wait()
				})
			})
		}
	}
}

func idle(context.Context, asyncevents.Event) (any, error) { return nil, nil }
