package backendtest

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

var trafficCases = []testCase{
	{"counts add up, and the depth is the present one", trafficAdds},
	{"noted at once, nothing is lost", trafficConcurrently},
	{"minutes before a time are left out", trafficSince},
}

// traffic is the sum of all minutes, with the depth of the last. A case may run across the end of a minute.
func (f *fixture) traffic(t *testing.T, queue string) (sum asyncevents.Traffic) {
	t.Helper()
	minutes, err := f.Traffic.Since(t.Context(), queue, time.Time{})
	require.NoError(t, err)
	for _, m := range minutes {
		assert.Equal(t, m.At.Truncate(time.Minute), m.At)
		assert.Equal(t, time.UTC, m.At.Location())
		assert.True(t, m.At.After(sum.At), "the oldest first, and each once")
		sum.At, sum.Depth = m.At, m.Depth
		sum.Accepted += m.Accepted
		sum.Done += m.Done
		sum.Again += m.Again
		sum.Dead += m.Dead
	}
	return sum
}

func trafficAdds(t *testing.T, f *fixture) {
	assert.Equal(t, asyncevents.Traffic{}, f.traffic(t, deadQueue))
	noted := asyncevents.Traffic{At: time.Unix(60, 0), Depth: 99, Accepted: 5, Done: 3, Again: 2, Dead: 1}
	require.NoError(t, f.Traffic.Note(t.Context(), deadQueue, noted))
	assert.Zero(t, f.traffic(t, deadQueue).Depth)
	f.bury(t, deadQueue, "m-1")
	f.bury(t, deadQueue, "m-2")
	require.NoError(t, f.Traffic.Note(t.Context(), deadQueue, noted))
	sum := f.traffic(t, deadQueue)
	assert.WithinDuration(t, time.Now(), sum.At, 2*time.Minute)
	sum.At = time.Time{}
	assert.Equal(t, asyncevents.Traffic{Depth: 2, Accepted: 10, Done: 6, Again: 4, Dead: 2}, sum)
	assert.Equal(t, asyncevents.Traffic{}, f.traffic(t, "another"))
}

func trafficConcurrently(t *testing.T, f *fixture) {
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() { assert.NoError(t, f.Traffic.Note(t.Context(), deadQueue, asyncevents.Traffic{Done: 1})) })
	}
	group.Wait()
	assert.EqualValues(t, 20, f.traffic(t, deadQueue).Done)
}

func trafficSince(t *testing.T, f *fixture) {
	require.NoError(t, f.Traffic.Note(t.Context(), deadQueue, asyncevents.Traffic{Done: 1}))
	at := f.traffic(t, deadQueue).At
	minutes, err := f.Traffic.Since(t.Context(), deadQueue, at)
	require.NoError(t, err)
	assert.Len(t, minutes, 1)
	minutes, err = f.Traffic.Since(t.Context(), deadQueue, at.Add(time.Microsecond))
	require.NoError(t, err)
	assert.Empty(t, minutes)
}
