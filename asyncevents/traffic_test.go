package asyncevents_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/retry"
)

// reluctantLog is a TrafficLog that may refuse to note anything.
type reluctantLog struct {
	asyncevents.TrafficLog
	refuses atomic.Bool
}

func (l *reluctantLog) Note(ctx context.Context, queue string, t asyncevents.Traffic) error {
	if l.refuses.Load() {
		return errors.New("not now")
	}
	return l.TrafficLog.Note(ctx, queue, t)
}

// TestTrafficIsNoted has two replicas of one store accept and process, and reads what went through, by the minute. A store that takes
// no note for a while gets it later, and minutes in which nothing happens are noted as well.
func TestTrafficIsNoted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		backend := memory.New()
		reluctant := &reluctantLog{TrafficLog: backend.Traffic}
		backend.Traffic = reluctant
		process := func(_ context.Context, e asyncevents.Event) (any, error) {
			if e.ID == "bad" {
				return nil, retry.Permanent(errors.New("bad"))
			}
			return nil, nil
		}
		first, stopFirst := run(t, backend, process, nil)
		second, stopSecond := run(t, backend, process, nil)
		reluctant.refuses.Store(true)
		acceptMany(t, first, "a", 3, bare)
		acceptMany(t, second, "b", 2, bare)
		accept(t, first, `{"correlation_id":"bad"}`)
		time.Sleep(11 * time.Second)
		minutes, err := first.Traffic(t.Context(), asyncevents.EventsQueue, time.Time{})
		require.NoError(t, err)
		assert.Empty(t, minutes)
		reluctant.refuses.Store(false)
		time.Sleep(2 * time.Minute)
		minutes, err = second.Traffic(t.Context(), asyncevents.EventsQueue, time.Time{})
		require.NoError(t, err)
		require.Len(t, minutes, 3)
		began := minutes[0].At
		assert.Equal(t, []asyncevents.Traffic{
			{At: began, Depth: 1, Accepted: 6, Done: 5, Dead: 1},
			{At: began.Add(time.Minute), Depth: 1},
			{At: began.Add(2 * time.Minute), Depth: 1},
		}, minutes)
		require.NoError(t, stopFirst())
		require.NoError(t, stopSecond())
	})
}
