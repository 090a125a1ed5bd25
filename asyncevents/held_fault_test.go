package asyncevents_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/soak"
)

// acceptTimed accepts an event, and returns how long that took.
func acceptTimed(s *asyncevents.Service, id string) (time.Duration, error) {
	began := time.Now()
	_, err := s.Accept(context.Background(), asyncevents.Submission{Body: fmt.Appendf(nil, `{"correlation_id":%q}`, id)})
	return time.Since(began), err
}

// longest is the longest of some waits.
type longest struct{ nanoseconds atomic.Int64 }

func (l *longest) note(took time.Duration) {
	for known := l.nanoseconds.Load(); int64(took) > known; known = l.nanoseconds.Load() {
		l.nanoseconds.CompareAndSwap(known, int64(took))
	}
}

func (l *longest) get() time.Duration { return time.Duration(l.nanoseconds.Load()) }

// A host's transaction that accepts an event stays open, while its client sends the event again and again. Only that client
// fails.
func TestHeldIDDelaysNobodyElse(t *testing.T) {
	const callers = 50
	lasts := soak.Long(6*time.Second, time.Minute)
	onEachHost(t, func(t *testing.T, h *host) {
		s, err := asyncevents.New(h.open(t), hopeless, quick(t, nil))
		require.NoError(t, err)
		tx, err := h.begin(t.Context())
		require.NoError(t, err)
		_, err = s.AcceptTx(t.Context(), tx.tx, asyncevents.Submission{Body: []byte(`{"correlation_id":"m"}`)})
		require.NoError(t, err)

		began := time.Now()
		var accepted, refused atomic.Int64
		var longest longest
		var calling sync.WaitGroup
		for caller := range callers {
			calling.Go(func() {
				for n := 0; time.Since(began) < lasts; n++ { // before and after the one that is held
					took, err := acceptTimed(s, fmt.Sprintf("%c%d-%d", 'a'+caller%26, caller, n))
					if !assert.NoError(t, err) {
						return
					}
					accepted.Add(1)
					longest.note(took)
					time.Sleep(4 * breath)
				}
			})
		}
		calling.Go(func() {
			for time.Since(began) < lasts {
				took, err := acceptTimed(s, "m")
				assert.Error(t, err)
				assert.Less(t, took, 5*time.Second)
				refused.Add(1)
			}
		})
		calling.Wait()
		t.Logf("%d accepted, none in more than %v; %d refused", accepted.Load(), longest.get(), refused.Load())
		assert.Less(t, longest.get(), 5*time.Second)
		assert.Positive(t, refused.Load())

		require.NoError(t, tx.rollback())
		await(t, "the event that nobody holds any more", func() bool {
			_, err := acceptTimed(s, "m")
			return err == nil
		})
	})
}
