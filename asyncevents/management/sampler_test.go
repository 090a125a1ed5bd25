package management

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// countingStore counts looks at the size of a DLQ.
type countingStore struct {
	dlq.Store
	looks atomic.Int64
}

func (s *countingStore) Stat(ctx context.Context, queue string) (dlq.Stats, error) {
	if queue == asyncevents.EventsQueue {
		s.looks.Add(1)
	}
	return s.Store.Stat(ctx, queue)
}

// TestOpenPagesShareOneLook has a hundred pages open for as many streams: the store is looked at about once a second, by all of them
// together, and each is told of what moves.
func TestOpenPagesShareOneLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var store *countingStore
		b := newBundle(t, func(backend *asyncevents.Backend) {
			store = &countingStore{Store: backend.DeadLetters}
			backend.DeadLetters = store
		})
		b.addMany(2)
		began := time.Now()
		var open sync.WaitGroup
		for i := range 100 {
			open.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				assert.Contains(t, b.do(http.MethodGet, "live", "", "Accept", eventStream).text, `<span class="depth some">1</span>`)
			})
		}
		time.Sleep(2 * liveTick)
		_, err := b.core.dlq.RetryOldest(t.Context(), "events")
		require.NoError(t, err)
		open.Wait()
		assert.LessOrEqual(t, float64(store.looks.Load()), time.Since(began).Seconds()+2)
	})
}

// TestOwnChangesAreSeenAtOnce holds that nobody is told less than what was done here before.
func TestOwnChangesAreSeenAtOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(2)
	assert.Contains(t, b.do(http.MethodGet, "live", "").text, `<span class="depth some">2</span>`)
	b.do(http.MethodPost, "api/queues/events/retry-one", "")
	assert.Contains(t, b.do(http.MethodGet, "live", "").text, `<span class="depth some">1</span>`)
}

// TestWaitingForALookEndsWithTheRequest holds that a store that hangs keeps nobody who has left, and that the next one looks anew.
func TestWaitingForALookEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, release := newSampler(), make(chan struct{})
		go func() {
			_, err := s.look(t.Context(), func(context.Context) (string, error) {
				<-release
				return "", errDown
			})
			assert.ErrorIs(t, err, errDown)
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.look(ctx, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		close(release)
		synctest.Wait()
		seen, err := s.look(t.Context(), func(context.Context) (string, error) { return "seen", nil })
		require.NoError(t, err)
		assert.Equal(t, "seen", seen)
	})
}
