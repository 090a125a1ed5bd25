package retry_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

// with starts a job with options.
func (r *running) with(options retry.Options) {
	r.t.Helper()
	_, err := r.Start(r.t.Context(), "events", "alice", options)
	require.NoError(r.t, err)
}

// A job moves its canary, waits for what becomes of it, and goes on as soon as enough were processed.
func TestCanaryPasses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 50, CooldownMinutes: 1}, 100)
		r := start(t, f, f)
		r.with(retry.Options{Canary: retry.Canary{Entries: 10, MinProcessedPercent: 90}})
		time.Sleep(time.Hour)
		assert.Equal(t, retry.StateCanary, r.job().State)
		assert.Equal(t, ids(10), f.movedIDs())
		f.settle("events", retry.Outcome{Processed: 8, CameBack: 1})
		time.Sleep(time.Hour)
		assert.Equal(t, retry.StateCanary, r.job().State, "one is still under way, and decides")
		f.settle("events", retry.Outcome{Processed: 1})
		time.Sleep(10 * time.Second)
		assert.Equal(t, retry.StateCoolingDown, r.job().State)
		assert.Equal(t, ids(10), f.movedIDs())
		time.Sleep(time.Hour)
		assert.Equal(t, retry.StateCompleted, r.job().State)
		assert.Equal(t, ids(100), f.movedIDs())
		assert.EqualValues(t, 3, r.job().Batches)
	})
}

// A job ends as failed as soon as its canary cannot pass any more.
func TestCanaryFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 50}, 100)
		r := start(t, f, f)
		r.with(retry.Options{Canary: retry.Canary{Entries: 10, MinProcessedPercent: 90}})
		synctest.Wait()
		f.settle("events", retry.Outcome{CameBack: 1, Refused: 1})
		time.Sleep(10 * time.Second)
		job := r.job()
		assert.Equal(t, retry.StateFailed, job.State)
		assert.Equal(t, "canary: 2 of 10 were not processed, and 90 % have to be", job.Error)
		assert.Equal(t, ids(10), f.movedIDs())
	})
}

// A canary that is all there is needs no verdict, one that is paused gets it afterwards, and one can be stopped.
func TestCanaryEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		canary := retry.Options{Canary: retry.Canary{Entries: 10, MinProcessedPercent: 100}}
		f := newFake(retry.Settings{BatchSize: 50}, 10)
		r := start(t, f, f)
		r.with(canary)
		synctest.Wait()
		assert.Equal(t, retry.StateCompleted, r.job().State)

		f.add("events", 20)
		r.with(canary)
		synctest.Wait()
		_, err := r.Pause(t.Context(), "events")
		require.NoError(t, err)
		f.settle("events", retry.Outcome{CameBack: 10})
		time.Sleep(time.Hour)
		assert.Equal(t, retry.StatePaused, r.job().State)
		_, err = r.Resume(t.Context(), "events")
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		assert.Equal(t, retry.StateFailed, r.job().State)

		r.with(retry.Options{Canary: retry.Canary{Entries: 5, MinProcessedPercent: 1}})
		synctest.Wait()
		_, err = r.Stop(t.Context(), "events")
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, retry.StateStopped, r.job().State)
		assert.Len(t, f.movedIDs(), 25)
	})
}

// A job that was told to ends when too many of its entries come back, in mid-batch and in a cooldown.
func TestStopsWhenEntriesComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 25, CooldownMinutes: 10}, 100)
		r := start(t, f, f)
		r.with(retry.Options{StopOverPercent: 50})
		synctest.Wait()
		f.settle("events", retry.Outcome{CameBack: 10, Processed: 9})
		time.Sleep(time.Minute)
		assert.Equal(t, retry.StateCoolingDown, r.job().State, "19 outcomes say too little")
		f.settle("events", retry.Outcome{Processed: 1})
		time.Sleep(time.Minute)
		assert.Equal(t, retry.StateCoolingDown, r.job().State, "50 % are not more than 50 %")
		f.settle("events", retry.Outcome{CameBack: 1})
		time.Sleep(time.Minute)
		assert.Equal(t, retry.StateFailed, r.job().State)
		assert.Equal(t, "11 of 21 entries came back, more than 50 %", r.job().Error)
		assert.Equal(t, ids(25), f.movedIDs())
	})
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	r, err := retry.NewRunner(newFake(retry.DefaultSettings(), 1), newFake(retry.DefaultSettings(), 1), []string{"events"}, nil)
	require.NoError(t, err)
	for want, options := range map[string]retry.Options{
		"canary.entries must be 0 to 10000, not -1":                {Canary: retry.Canary{Entries: -1}},
		"canary.min_processed_percent must be 0 to 100, not 100.5": {Canary: retry.Canary{MinProcessedPercent: 100.5}},
		"stop_over_percent must be 0 to 100, not -2":               {StopOverPercent: -2},
	} {
		_, err := r.Start(t.Context(), "events", "alice", options)
		require.ErrorIs(t, err, retry.ErrBadOptions)
		require.ErrorContains(t, err, want)
	}
}
