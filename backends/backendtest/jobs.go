package backendtest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

var jobCases = []testCase{
	{"one runs for each DLQ", jobStart},
	{"started at once, one runs", jobStartConcurrently},
	{"comes back as it was started", jobWhole},
	{"is claimed by one", jobClaim},
	{"is taken over when its owner dies", jobTakeover},
	{"saving keeps what was moved", jobSave},
	{"saving does not undo a stop", jobStop},
	{"ended is ended", jobEnded},
	{"settings", jobSettings},
}

// longLease is a lease that no test outlasts.
const longLease = time.Hour

// job is a retry job that was just started.
func job(id, queue string) retry.Job {
	return retry.Job{
		ID: id, Queue: queue, State: retry.StateRunning, StartedBy: "ann",
		StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Total: 10, UpTo: 1 << 40,
	}
}

// claimJob claims the job of a DLQ that was just started.
func (f *fixture) claimJob(t *testing.T, queue string, lease time.Duration) retry.Job {
	t.Helper()
	require.NoError(t, f.Jobs.Start(t.Context(), job("j-1", queue)))
	claimed, err := f.Jobs.Claim(t.Context(), queue, "a", lease)
	require.NoError(t, err)
	return claimed
}

func jobStart(t *testing.T, f *fixture) {
	_, err := f.Jobs.Job(t.Context(), "one")
	require.ErrorIs(t, err, retry.ErrNoJob)
	_, err = f.Jobs.Stop(t.Context(), "one")
	require.ErrorIs(t, err, retry.ErrNoJob)
	require.NoError(t, f.Jobs.Start(t.Context(), job("j-1", "one")))
	require.ErrorIs(t, f.Jobs.Start(t.Context(), job("j-2", "one")), retry.ErrRunning)
	require.NoError(t, f.Jobs.Start(t.Context(), job("j-3", "other")))
	present, err := f.Jobs.Job(t.Context(), "one")
	require.NoError(t, err)
	assert.Equal(t, "j-1", present.ID)
}

func jobStartConcurrently(t *testing.T, f *fixture) {
	var started atomic.Int64
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			err := f.Jobs.Start(t.Context(), job("j-1", deadQueue))
			if err == nil {
				started.Add(1)
			} else {
				assert.ErrorIs(t, err, retry.ErrRunning)
			}
		})
	}
	group.Wait()
	assert.EqualValues(t, 1, started.Load())
}

func jobWhole(t *testing.T, f *fixture) {
	want := job("j-1", deadQueue)
	require.NoError(t, f.Jobs.Start(t.Context(), want))
	got, err := f.Jobs.Job(t.Context(), deadQueue)
	require.NoError(t, err)
	assertSameJob(t, want, got)
	got, err = f.Jobs.Claim(t.Context(), deadQueue, "a", longLease)
	require.NoError(t, err)
	assertSameJob(t, want, got)

	want.State = retry.StateFailed
	want.Batches, want.Error = 3, "boom"
	want.NextBatchAt, want.EndedAt = want.StartedAt.Add(time.Minute), want.StartedAt.Add(time.Hour)
	require.NoError(t, f.Jobs.Save(t.Context(), "a", want))
	got, err = f.Jobs.Job(t.Context(), deadQueue)
	require.NoError(t, err)
	assertSameJob(t, want, got)
}

func assertSameJob(t *testing.T, want, got retry.Job) {
	t.Helper()
	for _, at := range []struct{ want, got *time.Time }{
		{&want.StartedAt, &got.StartedAt}, {&want.NextBatchAt, &got.NextBatchAt}, {&want.EndedAt, &got.EndedAt},
	} {
		assert.True(t, at.want.Equal(*at.got), "%s is not %s", at.want, at.got)
		*at.got = *at.want
	}
	assert.Equal(t, want, got)
}

func jobClaim(t *testing.T, f *fixture) {
	_, err := f.Jobs.Claim(t.Context(), deadQueue, "a", longLease)
	require.ErrorIs(t, err, retry.ErrNoJob)
	f.claimJob(t, deadQueue, longLease)
	_, err = f.Jobs.Claim(t.Context(), deadQueue, "b", longLease)
	require.ErrorIs(t, err, retry.ErrNoJob)
	again, err := f.Jobs.Claim(t.Context(), deadQueue, "a", longLease)
	require.NoError(t, err, "its owner gets it again")
	assert.Equal(t, "j-1", again.ID)
	require.ErrorIs(t, f.Jobs.Save(t.Context(), "b", again), retry.ErrLeaseLost)
	require.NoError(t, f.Jobs.Save(t.Context(), "a", again))
	again.ID = "j-0"
	require.ErrorIs(t, f.Jobs.Save(t.Context(), "a", again), retry.ErrLeaseLost, "that is another job")
}

func jobTakeover(t *testing.T, f *fixture) {
	claimed := f.claimJob(t, deadQueue, shortLease)
	require.Eventually(t, func() bool {
		_, err := f.Jobs.Claim(t.Context(), deadQueue, "b", longLease)
		return err == nil || !errors.Is(err, retry.ErrNoJob)
	}, patience, glance)
	require.ErrorIs(t, f.Jobs.Save(t.Context(), "a", claimed), retry.ErrLeaseLost)
	_, err := f.Jobs.Claim(t.Context(), deadQueue, "a", longLease)
	require.ErrorIs(t, err, retry.ErrNoJob)
	require.NoError(t, f.Jobs.Save(t.Context(), "b", claimed))
}

func jobSave(t *testing.T, f *fixture) {
	f.buryMany(t, deadQueue, 5)
	claimed := f.claimJob(t, deadQueue, longLease)
	redrive := func(n int) {
		_, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: 1 << 60, Limit: n}, Job: claimed.ID})
		require.NoError(t, err)
	}
	require.NoError(t, f.Jobs.Save(t.Context(), "a", claimed))
	redrive(3)
	claimed.Moved, claimed.BatchMoved = 99, 99
	require.NoError(t, f.Jobs.Save(t.Context(), "a", claimed))
	got, err := f.Jobs.Job(t.Context(), deadQueue)
	require.NoError(t, err)
	assert.Equal(t, []int64{3, 3, 0}, []int64{got.Moved, got.BatchMoved, got.Batches})

	claimed.Batches, claimed.State = 1, retry.StateCoolingDown
	require.NoError(t, f.Jobs.Save(t.Context(), "a", claimed))
	redrive(2)
	got, err = f.Jobs.Job(t.Context(), deadQueue)
	require.NoError(t, err)
	assert.Equal(t, []int64{5, 2, 1}, []int64{got.Moved, got.BatchMoved, got.Batches})
	assert.Equal(t, retry.StateCoolingDown, got.State)
}

func jobStop(t *testing.T, f *fixture) {
	claimed := f.claimJob(t, deadQueue, longLease)
	stopping, err := f.Jobs.Stop(t.Context(), deadQueue)
	require.NoError(t, err)
	assert.Equal(t, retry.StateStopping, stopping.State)
	for _, state := range []retry.State{retry.StateRunning, retry.StateCoolingDown} {
		claimed.State = state
		require.NoError(t, f.Jobs.Save(t.Context(), "a", claimed))
		got, err := f.Jobs.Claim(t.Context(), deadQueue, "a", longLease)
		require.NoError(t, err)
		assert.Equal(t, retry.StateStopping, got.State)
	}
	require.ErrorIs(t, f.Jobs.Start(t.Context(), job("j-2", deadQueue)), retry.ErrRunning, "it has not ended yet")
	claimed.State = retry.StateStopped
	require.NoError(t, f.Jobs.Save(t.Context(), "a", claimed))
	_, err = f.Jobs.Stop(t.Context(), deadQueue)
	require.ErrorIs(t, err, retry.ErrNoJob)
}

func jobEnded(t *testing.T, f *fixture) {
	claimed := f.claimJob(t, deadQueue, longLease)
	claimed.State = retry.StateCompleted
	require.NoError(t, f.Jobs.Save(t.Context(), "a", claimed))
	_, err := f.Jobs.Claim(t.Context(), deadQueue, "a", longLease)
	require.ErrorIs(t, err, retry.ErrNoJob)
	latest, err := f.Jobs.Job(t.Context(), deadQueue)
	require.NoError(t, err)
	assert.Equal(t, retry.StateCompleted, latest.State)

	require.NoError(t, f.Jobs.Start(t.Context(), job("j-2", deadQueue)))
	require.ErrorIs(t, f.Jobs.Save(t.Context(), "a", claimed), retry.ErrLeaseLost, "that job is over")
	latest, err = f.Jobs.Claim(t.Context(), deadQueue, "b", longLease)
	require.NoError(t, err)
	assert.Equal(t, "j-2", latest.ID)
}

func jobSettings(t *testing.T, f *fixture) {
	settings, err := f.Jobs.Settings(t.Context())
	require.NoError(t, err)
	assert.Equal(t, retry.DefaultSettings(), settings)
	for _, want := range []retry.Settings{{BatchSize: 1, CooldownMinutes: 0.25}, {BatchSize: 100_000, CooldownMinutes: 0}} {
		require.NoError(t, f.Jobs.SaveSettings(t.Context(), want))
		settings, err = f.Jobs.Settings(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, settings)
	}
}
