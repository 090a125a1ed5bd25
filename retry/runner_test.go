package retry_test

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// running is a Runner that runs until the test ends or stop is called.
type running struct {
	*retry.Runner
	t    *testing.T
	stop func()
}

func start(t *testing.T, store retry.Store, mover retry.Mover) *running {
	t.Helper()
	runner, err := retry.NewRunner(store, mover, []string{"events", "callbacks"}, &retry.RunnerConfig{Logger: quiet})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runner.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return &running{Runner: runner, t: t, stop: stop}
}

func (r *running) begin() retry.Job {
	r.t.Helper()
	job, err := r.Start(r.t.Context(), "events", "alice", retry.Options{})
	require.NoError(r.t, err)
	return job
}

func (r *running) job() retry.Job {
	r.t.Helper()
	job, err := r.Job(r.t.Context(), "events")
	require.NoError(r.t, err)
	return job
}

// ids is 1 to n.
func ids(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i) + 1
	}
	return out
}

func TestRunnerMovesBatchesWithCooldowns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 2, CooldownMinutes: 1}, 5)
		r := start(t, f, f)
		began := time.Now()
		job := r.begin()
		assert.Equal(t, int64(5), job.Total)
		assert.Equal(t, "alice", job.StartedBy)
		synctest.Wait()

		job = r.job()
		assert.Equal(t, retry.StateCoolingDown, job.State)
		assert.Equal(t, began.Add(time.Minute).UTC(), job.NextBatchAt)
		assert.Equal(t, int64(2), job.Moved)
		assert.Equal(t, int64(1), job.Batches)

		time.Sleep(10 * time.Minute)
		times, sizes := f.moveTimes(began)
		assert.Equal(t, []time.Duration{0, time.Minute, 2 * time.Minute}, times)
		assert.Equal(t, []int{2, 2, 1}, sizes)
		job = r.job()
		assert.Equal(t, retry.StateCompleted, job.State)
		assert.Equal(t, began.Add(2*time.Minute).UTC(), job.EndedAt, "no cooldown after the last batch")
		assert.Equal(t, int64(3), job.Batches)
		assert.Zero(t, job.NextBatchAt)
		assert.Zero(t, job.Remaining())
	})
}

func TestRunnerWithoutCooldownGoesOnAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 625}, 1500)
		r := start(t, f, f)
		began := time.Now()
		r.begin()
		synctest.Wait()
		assert.Equal(t, ids(1500), f.movedIDs())
		_, sizes := f.moveTimes(began)
		assert.Equal(t, []int{250, 250, 125, 250, 250, 125, 250}, sizes, "as many as the store moves in a step")
		job := r.job()
		assert.Equal(t, retry.StateCompleted, job.State)
		assert.Equal(t, int64(3), job.Batches)
		assert.Equal(t, began.UTC(), job.EndedAt)
	})
}

func TestRunnerCompletesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.DefaultSettings(), 0)
		r := start(t, f, f)
		job := r.begin()
		assert.Equal(t, retry.StateCompleted, job.State, "an empty DLQ")
		f.add("events", 100)
		r.begin()
		synctest.Wait()
		assert.Equal(t, retry.StateCompleted, r.job().State, "exactly one batch")
		assert.Equal(t, int64(1), r.job().Batches)
	})
}

func TestRunnerLeavesLaterEntriesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 10, CooldownMinutes: 1}, 25)
		f.onMove = func(b retry.Batch) { f.add(b.Queue, 7) } // all of them fail again
		r := start(t, f, f)
		r.begin()
		time.Sleep(time.Hour)
		assert.Equal(t, ids(25), f.movedIDs())
		assert.Equal(t, retry.StateCompleted, r.job().State)
	})
}

func TestRunnerEndsWhenEntriesWereErased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 10, CooldownMinutes: 1}, 25)
		r := start(t, f, f)
		began := time.Now()
		r.begin()
		synctest.Wait()
		f.mu.Lock()
		f.entries["events"] = nil
		f.mu.Unlock()
		time.Sleep(time.Hour)
		job := r.job()
		assert.Equal(t, retry.StateCompleted, job.State)
		assert.Equal(t, int64(10), job.Moved)
		assert.Equal(t, int64(1), job.Batches, "an empty batch is none")
		assert.Equal(t, began.Add(time.Minute).UTC(), job.EndedAt)
	})
}

func TestRunnerStop(t *testing.T) {
	t.Parallel()
	t.Run("in a batch", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := newFake(retry.Settings{BatchSize: 100_000}, 12_500)
			r := start(t, f, f)
			steps := 0
			f.onMove = func(b retry.Batch) {
				if steps++; steps == 3 {
					job, err := r.Stop(t.Context(), b.Queue)
					assert.NoError(t, err)
					assert.Equal(t, retry.StateStopping, job.State)
				}
			}
			r.begin()
			synctest.Wait()
			job := r.job()
			assert.Equal(t, retry.StateStopped, job.State)
			assert.Equal(t, int64(750), job.Moved, "the step under way, and no other")
			assert.Equal(t, int64(11_750), job.Remaining())
			assert.Zero(t, job.Batches)
			assert.False(t, job.EndedAt.IsZero())
			_, err := r.Stop(t.Context(), "events")
			require.ErrorIs(t, err, retry.ErrNoJob)
			f.onMove = nil
			r.begin()
			synctest.Wait()
			assert.Equal(t, ids(12_500), f.movedIDs(), "a new job moves the rest")
		})
	})
	t.Run("in a cooldown, at once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := newFake(retry.Settings{BatchSize: 1, CooldownMinutes: 1440}, 2)
			r := start(t, f, f)
			r.begin()
			time.Sleep(time.Hour + time.Millisecond)
			stopped := time.Now().UTC()
			_, err := r.Stop(t.Context(), "events")
			require.NoError(t, err)
			synctest.Wait()
			assert.Equal(t, retry.StateStopped, r.job().State)
			assert.Equal(t, stopped, r.job().EndedAt)
			assert.Zero(t, r.job().NextBatchAt)
		})
	})
	t.Run("from another process, within the poll interval", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := newFake(retry.Settings{BatchSize: 1, CooldownMinutes: 1440}, 2)
			r := start(t, f, f)
			r.begin()
			time.Sleep(time.Hour)
			_, err := f.Stop(t.Context(), "events")
			require.NoError(t, err)
			time.Sleep(retry.DefaultPollInterval + time.Millisecond)
			assert.Equal(t, retry.StateStopped, r.job().State)
		})
	})
}

func TestRunnerTwoStartsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 10, CooldownMinutes: 1}, 100)
		replicas := []*running{start(t, f, f), start(t, f, f)}
		errs := make([]error, len(replicas))
		var group sync.WaitGroup
		for i, r := range replicas {
			group.Go(func() { _, errs[i] = r.Start(t.Context(), "events", "alice", retry.Options{}) })
		}
		group.Wait()
		require.ErrorIs(t, errorOf(errs), retry.ErrRunning)
		time.Sleep(time.Hour)
		assert.Equal(t, ids(100), f.movedIDs())
		times, _ := f.moveTimes(time.Now())
		assert.Len(t, times, 10, "one of them ran it, alone")
	})
}

// errorOf is the only error among two results, of which one must be nil.
func errorOf(errs []error) error {
	if errs[0] == nil {
		return errs[1]
	}
	if errs[1] == nil {
		return errs[0]
	}
	return nil
}

func TestRunnerQueuesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 1, CooldownMinutes: 1440}, 2)
		f.add("callbacks", 1)
		r := start(t, f, f)
		r.begin()
		synctest.Wait()
		_, err := r.Start(t.Context(), "callbacks", "bob", retry.Options{})
		require.NoError(t, err)
		synctest.Wait()
		job, err := r.Job(t.Context(), "callbacks")
		require.NoError(t, err)
		assert.Equal(t, retry.StateCompleted, job.State)
		assert.Equal(t, retry.StateCoolingDown, r.job().State)
	})
}

func TestRunnerStartedBeforeRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.DefaultSettings(), 3)
		runner, err := retry.NewRunner(f, f, []string{"events"}, &retry.RunnerConfig{Logger: quiet})
		require.NoError(t, err)
		_, err = runner.Start(t.Context(), "events", "alice", retry.Options{})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, runner.Run(ctx))
		assert.Equal(t, ids(3), f.movedIDs())
	})
}

func TestRunnerRefuses(t *testing.T) {
	t.Parallel()
	f := newFake(retry.DefaultSettings(), 0)
	_, err := retry.NewRunner(nil, nil, []string{""}, &retry.RunnerConfig{Lease: time.Second, PollInterval: time.Second})
	for _, fault := range []string{"store", "mover", "queues", "Lease"} {
		require.ErrorContains(t, err, fault)
	}
	_, err = retry.NewRunner(f, f, []string{"events"}, &retry.RunnerConfig{PollInterval: -1})
	require.ErrorContains(t, err, "PollInterval must be positive")
	r, err := retry.NewRunner(f, f, []string{"events"}, &retry.RunnerConfig{Lease: time.Second, Logger: quiet})
	require.NoError(t, err, "the poll interval follows a short lease")

	_, err = r.Start(t.Context(), "evnts", "alice", retry.Options{})
	require.ErrorContains(t, err, `unknown queue "evnts"`)
	_, err = r.Stop(t.Context(), "evnts")
	require.ErrorContains(t, err, `unknown queue "evnts"`)
	_, err = r.Job(t.Context(), "evnts")
	require.ErrorContains(t, err, `unknown queue "evnts"`)
	_, err = r.Job(t.Context(), "events")
	require.ErrorIs(t, err, retry.ErrNoJob)
	require.ErrorContains(t, r.SaveSettings(t.Context(), retry.Settings{}), "batch_size")

	f.setAway(true)
	_, err = r.Start(t.Context(), "events", "alice", retry.Options{})
	require.ErrorIs(t, err, errAway)
	_, err = r.Settings(t.Context())
	require.ErrorIs(t, err, errAway)
	require.ErrorIs(t, r.SaveSettings(t.Context(), retry.DefaultSettings()), errAway)
}
