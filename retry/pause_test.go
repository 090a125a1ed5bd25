package retry_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

// A paused job moves nothing more than the step under way, outlives its process, and goes on where it was.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 1000}, 1200)
		r := start(t, f, f)
		steps := 0
		f.onMove = func(retry.Batch) {
			if steps++; steps == 2 {
				job, err := r.Pause(t.Context(), "events")
				assert.NoError(t, err)
				assert.Equal(t, retry.StatePaused, job.State)
			}
		}
		r.begin()
		time.Sleep(time.Hour)
		assert.Equal(t, ids(500), f.movedIDs())
		_, err := r.Start(t.Context(), "events", "bob", retry.Options{})
		require.ErrorIs(t, err, retry.ErrRunning)
		eta, err := r.ETA(t.Context(), r.job())
		require.NoError(t, err)
		assert.Zero(t, eta)

		r.stop()
		other := start(t, f, f)
		time.Sleep(time.Hour)
		assert.Equal(t, retry.StatePaused, other.job().State)
		_, err = other.Resume(t.Context(), "events")
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, retry.StateCompleted, other.job().State)
		assert.Equal(t, ids(1200), f.movedIDs())
		assert.EqualValues(t, 2, other.job().Batches)

		_, err = other.Pause(t.Context(), "events")
		require.ErrorIs(t, err, retry.ErrNoJob)
		_, err = other.Resume(t.Context(), "events")
		require.ErrorIs(t, err, retry.ErrNotPaused)
	})
}

// A paused job can be stopped, and one in a cooldown paused.
func TestStopWhilePaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 10, CooldownMinutes: 1}, 100)
		r := start(t, f, f)
		r.begin()
		synctest.Wait()
		_, err := r.Pause(t.Context(), "events")
		require.NoError(t, err)
		time.Sleep(time.Hour)
		assert.Equal(t, ids(10), f.movedIDs())
		_, err = r.Stop(t.Context(), "events")
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		assert.Equal(t, retry.StateStopped, r.job().State)
		assert.Equal(t, ids(10), f.movedIDs())
	})
}
