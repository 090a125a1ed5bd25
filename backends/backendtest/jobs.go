package backendtest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
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
	{"pause and resume", jobPause},
	{"the latest first", jobHistory},
	{"counts what became of what it moved", jobOutcome},
	{"settings", jobSettings},
}

func jobPause(t *testing.T, f *fixture) {
	_, err := f.Jobs.Pause(t.Context(), deadQueue)
	require.ErrorIs(t, err, retry.ErrNoJob)
	_, err = f.Jobs.Resume(t.Context(), deadQueue)
	require.ErrorIs(t, err, retry.ErrNoJob)
	claimed := f.claimJob(t, deadQueue, longLease)
	_, err = f.Jobs.Resume(t.Context(), deadQueue)
	require.ErrorIs(t, err, retry.ErrNotPaused)
	paused, err := f.Jobs.Pause(t.Context(), deadQueue)
	require.NoError(t, err)
	assert.Equal(t, retry.StatePaused, paused.State)
	require.NoError(t, f.Jobs.Save(t.Context(), "a", claimed)) // a worker that does not know
	_, err = f.Jobs.Claim(t.Context(), deadQueue, "a", longLease)
	require.ErrorIs(t, err, retry.ErrNoJob)
	require.ErrorIs(t, f.Jobs.Start(t.Context(), job("j-2", deadQueue)), retry.ErrRunning)
	resumed, err := f.Jobs.Resume(t.Context(), deadQueue)
	require.NoError(t, err)
	assert.Equal(t, retry.StateRunning, resumed.State)
	_, err = f.Jobs.Claim(t.Context(), deadQueue, "a", longLease)
	require.NoError(t, err)
	_, err = f.Jobs.Stop(t.Context(), deadQueue)
	require.NoError(t, err)
	stopping, err := f.Jobs.Pause(t.Context(), deadQueue)
	require.NoError(t, err)
	assert.Equal(t, retry.StateStopping, stopping.State)
}

func jobHistory(t *testing.T, f *fixture) {
	jobs, err := f.Jobs.Jobs(t.Context(), deadQueue, "", 10)
	require.NoError(t, err)
	assert.Empty(t, jobs)
	for _, id := range []string{"z", "b", "c", "a"} { // ids need not be in order
		started := job(id, deadQueue)
		started.State = retry.StateCompleted
		started.Options = retry.Options{
			Criteria: `{"q":"x"}`, StopOverPercent: 12.5, Canary: retry.Canary{Entries: 3, MinProcessedPercent: 50},
		}
		require.NoError(t, f.Jobs.Start(t.Context(), started))
	}
	require.NoError(t, f.Jobs.Start(t.Context(), job("other", "other")))
	list := func(before string, limit int) (ids []string) {
		jobs, err := f.Jobs.Jobs(t.Context(), deadQueue, before, limit)
		require.NoError(t, err)
		for _, j := range jobs {
			assert.Equal(t, `{"q":"x"}`, j.Options.Criteria)
			assert.Equal(t, 3, j.Options.Canary.Entries)
			ids = append(ids, j.ID)
		}
		return ids
	}
	assert.Equal(t, []string{"a", "c", "b", "z"}, list("", 10))
	assert.Equal(t, []string{"a", "c"}, list("", 2))
	assert.Equal(t, []string{"b"}, list("c", 1))
	assert.Empty(t, list("z", 10))
	assert.Empty(t, list("unknown", 10))
	latest, err := f.Jobs.Job(t.Context(), deadQueue)
	require.NoError(t, err)
	assert.Equal(t, "a", latest.ID)
}

// What a job moves carries its name, and is counted once it is settled, for that job, also when a later one runs.
func jobOutcome(t *testing.T, f *fixture) {
	claimed := f.claimJob(t, deadQueue, longLease)
	for _, id := range []string{"e-1", "e-2", "e-3", "e-4"} {
		f.accept(t, id, `{}`)
	}
	messages := f.consume(t, topic, quick())
	for range 4 {
		require.NoError(t, f.Events.Settle(settling(receive(t, messages)), asyncevents.Settlement{CorrelationID: "none"}))
	}
	for _, id := range []string{"e-1", "e-2", "e-3", "e-4"} {
		dead := entry(deadQueue, id)
		if id == "e-4" { // there may be no metadata
			dead.Metadata, dead.AcceptedAt, dead.CorrelationID = nil, time.Time{}, id
		}
		require.NoError(t, f.DeadLetters.Add(t.Context(), dead))
	}
	redriven, err := f.DeadLetters.Redrive(t.Context(),
		dlq.RedriveParams{
			Queue: deadQueue, Selection: dlq.Selection{UpTo: 1 << 40, Limit: 4}, Job: claimed.ID, SingleAttempt: true,
		})
	require.NoError(t, err)
	require.EqualValues(t, 4, redriven.Moved)
	settlements := []asyncevents.Settlement{
		{Status: asyncevents.StatusProcessed}, {Status: asyncevents.StatusError}, {Status: asyncevents.StatusFailed},
		{Again: &asyncevents.Again{After: time.Hour}},
	}
	for _, s := range settlements {
		msg := receive(t, messages)
		delivery := retry.DeliveryOf(msg)
		assert.Equal(t, claimed.ID, delivery.Job)
		assert.True(t, delivery.SingleAttempt)
		assert.Equal(t, msg.UUID != "e-4", msg.Metadata.Get("colour") == "blau")
		s.CorrelationID, s.Queue, s.Job, s.Attempts = msg.UUID, deadQueue, delivery.Job, 2
		if s.Status == asyncevents.StatusFailed {
			dead := dlq.EntryOf(msg, deadQueue, dlq.Failure{Type: "error", Message: "again"})
			assert.Equal(t, claimed.ID, dead.Job)
			assert.NotContains(t, dead.Metadata, retry.MetadataJob)
			assert.NotContains(t, dead.Metadata, retry.MetadataSingleAttempt)
			s.DeadLetter = &dead
		}
		if s.Again != nil {
			s.Again.Metadata = msg.Metadata
		}
		require.NoError(t, f.Events.Settle(settling(msg), s))
	}
	require.NoError(t, f.Events.Settle(t.Context(), asyncevents.Settlement{
		CorrelationID: "none", Queue: deadQueue, Status: asyncevents.StatusProcessed, Job: "unknown"}))
	after, err := f.Jobs.Job(t.Context(), deadQueue)
	require.NoError(t, err)
	assert.Equal(t, retry.Outcome{Processed: 1, Refused: 1, CameBack: 1}, after.Outcome)
	assert.EqualValues(t, 4, after.Moved)
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
