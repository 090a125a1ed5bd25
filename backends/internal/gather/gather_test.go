package gather_test

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/backends/internal/gather"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errOdd = errors.New("odd")

func TestEveryCallIsFlushedOnce(t *testing.T) {
	t.Parallel()
	const calls, maxBatch = 10_000, 64
	var mu sync.Mutex
	var flushed []int
	var running, largest atomic.Int64
	g := gather.New(maxBatch, 2, func(batch []int) []error {
		assert.LessOrEqual(t, running.Add(1), int64(2), "flushers at once")
		defer running.Add(-1)
		largest.Store(max(largest.Load(), int64(len(batch))))
		mu.Lock()
		flushed = append(flushed, batch...)
		mu.Unlock()
		errs := make([]error, len(batch))
		for i, n := range batch {
			if n%2 == 1 {
				errs[i] = errOdd
			}
		}
		return errs
	})
	var calling sync.WaitGroup
	for n := range calls {
		calling.Go(func() {
			if n%2 == 1 {
				assert.ErrorIs(t, g.Do(n), errOdd)
			} else {
				assert.NoError(t, g.Do(n))
			}
		})
	}
	calling.Wait()
	slices.Sort(flushed)
	require.Len(t, flushed, calls)
	for n := range calls {
		require.Equal(t, n, flushed[n])
	}
	assert.LessOrEqual(t, largest.Load(), int64(maxBatch))
}

func TestCallsShareTheNextFlush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		g := gather.New(100, 1, func(batch []int) []error {
			sizes = append(sizes, len(batch))
			time.Sleep(time.Second)
			return nil
		})
		started := time.Now()
		var calling sync.WaitGroup
		calling.Go(func() { assert.NoError(t, g.Do(0)) })
		synctest.Wait()
		for n := range 50 {
			calling.Go(func() { assert.NoError(t, g.Do(n)) })
		}
		calling.Wait()
		assert.Equal(t, []int{1, 50}, sizes, "a lone call waits for nobody, the others for one flush")
		assert.Equal(t, 2*time.Second, time.Since(started))
	})
}

func TestPanicReachesEveryCaller(t *testing.T) {
	t.Parallel()
	g := gather.New(10, 1, func([]int) []error { panic("boom") })
	require.ErrorContains(t, g.Do(1), "boom")
	require.ErrorContains(t, g.Do(2), "boom", "the next call finds it working")
}

func TestSendDoesNotWait(t *testing.T) {
	t.Parallel()
	answered, release := make(chan error, 1), make(chan struct{})
	g := gather.New(10, 1, func([]int) []error {
		<-release
		return []error{errOdd}
	})
	g.Send(1, func(err error) { answered <- err })
	close(release)
	assert.ErrorIs(t, <-answered, errOdd)
}
