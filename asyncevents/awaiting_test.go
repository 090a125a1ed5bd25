package asyncevents

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// watchedStore counts how often it is asked.
type watchedStore struct {
	Store
	status         atomic.Value
	asked          atomic.Int64
	together, most atomic.Int64
	slow           time.Duration
}

func (w *watchedStore) Find(context.Context, string) (Record, error) {
	w.asked.Add(1)
	if now := w.together.Add(1); now > w.most.Load() {
		w.most.Store(now)
	}
	time.Sleep(w.slow)
	w.together.Add(-1)
	return Record{Status: w.status.Load().(Status)}, nil
}

func newAwaiting(status Status) (*Service, *watchedStore) {
	store := &watchedStore{}
	store.status.Store(status)
	return &Service{backend: &Backend{Events: store}, waiters: newWaiters()}, store
}

// requireDeserted is that nothing is remembered of those who waited.
func requireDeserted(t *testing.T, s *Service) {
	t.Helper()
	assert.Zero(t, s.waiters.count)
	assert.Empty(t, s.waiters.on)
}

func TestAwaitIsWokenByWhatThisProcessSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newAwaiting(StatusQueued)
		var waiting sync.WaitGroup
		start := time.Now()
		for range 100 {
			waiting.Go(func() {
				record, err := s.Await(t.Context(), "id", time.Minute)
				assert.NoError(t, err)
				assert.Equal(t, StatusProcessed, record.Status)
				assert.Equal(t, 20*time.Second, time.Since(start))
			})
		}
		time.Sleep(20 * time.Second)
		store.status.Store(StatusProcessed)
		s.waiters.tell("another")
		s.waiters.tell("id")
		waiting.Wait()
		requireDeserted(t, s)
	})
}

// What another process settles is seen without asking much for it.
func TestAwaitLooksForWhatOthersSettle(t *testing.T) {
	for _, status := range []Status{StatusProcessed, StatusError, StatusFailed, StatusExported} {
		synctest.Test(t, func(t *testing.T) {
			s, store := newAwaiting(StatusRetried)
			start := time.Now()
			time.AfterFunc(30*time.Second, func() { store.status.Store(status) })
			record, err := s.Await(t.Context(), "id", time.Minute)
			require.NoError(t, err)
			assert.Equal(t, status, record.Status)
			assert.LessOrEqual(t, time.Since(start), 30*time.Second+longestPause)
			assert.LessOrEqual(t, store.asked.Load(), int64(25))
			requireDeserted(t, s)
		})
	}
}

func TestAwaitEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newAwaiting(StatusQueued)
		for _, within := range []time.Duration{0, time.Millisecond, 10 * time.Second, time.Minute} {
			start := time.Now()
			record, err := s.Await(t.Context(), "id", within)
			require.NoError(t, err)
			assert.Equal(t, StatusQueued, record.Status)
			assert.Equal(t, within, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := s.Await(ctx, "id", time.Minute)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		requireDeserted(t, s)
	})
}

// Those who wait are bounded, and so is what they ask of the store at once.
func TestAwaitIsNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newAwaiting(StatusQueued)
		store.slow = time.Millisecond
		var waiting sync.WaitGroup
		var held atomic.Int64
		for range maxWaiters + 100 {
			waiting.Go(func() {
				start := time.Now()
				_, err := s.Await(t.Context(), "id", 10*time.Second)
				assert.NoError(t, err)
				if time.Since(start) >= 10*time.Second {
					held.Add(1)
				}
			})
		}
		waiting.Wait()
		assert.LessOrEqual(t, held.Load(), int64(maxWaiters))
		assert.LessOrEqual(t, store.most.Load(), int64(maxLooks))
		requireDeserted(t, s)
	})
}
