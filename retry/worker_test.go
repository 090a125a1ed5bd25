package retry_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

// replica is one process's way to a shared fake. Killed, it reaches it no more.
type replica struct {
	*fake
	dead  atomic.Bool
	moves int
	// killAfter is the number of the move after which the process is gone; 0 for never.
	killAfter int
}

func (r *replica) Claim(ctx context.Context, queue, owner string, lease time.Duration) (retry.Job, error) {
	if r.dead.Load() {
		return retry.Job{}, errAway
	}
	return r.fake.Claim(ctx, queue, owner, lease)
}

func (r *replica) Save(ctx context.Context, owner string, job retry.Job) error {
	if r.dead.Load() {
		return errAway
	}
	return r.fake.Save(ctx, owner, job)
}

func (r *replica) Move(ctx context.Context, b retry.Batch) (retry.Moved, error) {
	if r.dead.Load() {
		return retry.Moved{}, errAway
	}
	moved, err := r.fake.Move(ctx, b)
	if r.moves++; r.moves == r.killAfter {
		r.dead.Store(true)
	}
	return moved, err
}

func TestWorkerTakesOverInMidBatch(t *testing.T) {
	t.Parallel()
	for name, killAfter := range map[string]int{"between chunks": 2, "before the batch was noted": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(retry.Settings{BatchSize: 625, CooldownMinutes: 1}, 1250)
				dying := &replica{fake: f, killAfter: killAfter}
				began := time.Now()
				first := start(t, dying, dying)
				first.begin()
				synctest.Wait()
				start(t, f, f)
				time.Sleep(10*time.Second - time.Millisecond)
				assert.Len(t, f.movedIDs(), min(killAfter*250, 625), "the lease still holds")
				time.Sleep(time.Hour)
				assert.Equal(t, ids(1250), f.movedIDs(), "each moved once")
				times, _ := f.moveTimes(began)
				assert.LessOrEqual(t, times[killAfter], time.Minute+retry.DefaultLease+retry.DefaultPollInterval)
				job := first.job()
				assert.Equal(t, retry.StateCompleted, job.State)
				assert.Equal(t, int64(2), job.Batches)
				assert.Equal(t, int64(1250), job.Moved)
				if killAfter == 2 {
					assert.Equal(t, retry.DefaultLease, times[2], "resumed when the lease ran out")
				}
			})
		})
	}
}

func TestWorkerLosesLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 250, CooldownMinutes: 1}, 750)
		r := start(t, f, f)
		f.onMove = func(b retry.Batch) { // another process holds the job before this one can end the batch
			f.mu.Lock()
			defer f.mu.Unlock()
			f.jobs[b.Queue].owner, f.jobs[b.Queue].until = "other", time.Now().Add(time.Minute)
		}
		r.begin()
		synctest.Wait()
		f.mu.Lock()
		f.onMove = nil
		f.mu.Unlock()
		assert.Equal(t, retry.StateRunning, r.job().State, "what the loser saved does not count")
		assert.Zero(t, r.job().Batches)
		time.Sleep(59 * time.Second)
		assert.Len(t, f.movedIDs(), 250)
		time.Sleep(time.Hour)
		assert.Equal(t, ids(750), f.movedIDs(), "taken back when the other's lease ran out")
		assert.Equal(t, int64(3), r.job().Batches)
	})
}

func TestWorkerKeepsLeaseInCooldown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 1, CooldownMinutes: 60}, 2)
		r := start(t, f, f)
		r.begin()
		time.Sleep(30 * time.Minute)
		_, err := f.Claim(t.Context(), "events", "other", time.Minute)
		require.ErrorIs(t, err, retry.ErrNoJob)
	})
}

func TestWorkerCooldownSurvivesRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 1, CooldownMinutes: 10}, 2)
		began := time.Now()
		r := start(t, f, f)
		r.begin()
		time.Sleep(4 * time.Minute)
		r.stop()
		assert.Equal(t, retry.StateCoolingDown, r.job().State)
		start(t, f, f)
		time.Sleep(time.Hour)
		times, _ := f.moveTimes(began)
		assert.Equal(t, []time.Duration{0, 10 * time.Minute}, times)
	})
}

func TestWorkerFollowsSettings(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change  retry.Settings
		restart bool
		second  time.Duration
		size    int
	}{
		"shortened":              {retry.Settings{BatchSize: 5, CooldownMinutes: 5}, false, 5 * time.Minute, 5},
		"shortened to the past":  {retry.Settings{BatchSize: 5, CooldownMinutes: 1}, false, 4 * time.Minute, 5},
		"lengthened":             {retry.Settings{BatchSize: 5, CooldownMinutes: 30}, false, 30 * time.Minute, 5},
		"turned off":             {retry.Settings{BatchSize: 5}, false, 4 * time.Minute, 5},
		"shortened during crash": {retry.Settings{BatchSize: 5, CooldownMinutes: 0.5}, true, 5 * time.Minute, 5},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(retry.Settings{BatchSize: 2, CooldownMinutes: 10}, 7)
				began := time.Now()
				r := start(t, f, f)
				r.begin()
				time.Sleep(4 * time.Minute)
				if test.restart {
					r.stop()
				}
				require.NoError(t, r.SaveSettings(t.Context(), test.change))
				if test.restart {
					time.Sleep(30 * time.Second)
					start(t, f, f)
				}
				time.Sleep(2 * time.Hour)
				times, sizes := f.moveTimes(began)
				assert.Equal(t, []time.Duration{0, test.second}, times)
				assert.Equal(t, []int{2, test.size}, sizes)
			})
		})
	}
}

func TestWorkerShowsChangedCooldown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 2, CooldownMinutes: 10}, 7)
		began := time.Now().UTC()
		r := start(t, f, f)
		r.begin()
		time.Sleep(time.Minute)
		require.NoError(t, r.SaveSettings(t.Context(), retry.Settings{BatchSize: 2, CooldownMinutes: 60}))
		synctest.Wait()
		assert.Equal(t, began.Add(time.Hour), r.job().NextBatchAt)
	})
}

func TestWorkerBatchKeepsItsSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 750, CooldownMinutes: 1}, 1000)
		began := time.Now()
		r := start(t, f, f)
		steps := 0
		f.onMove = func(retry.Batch) {
			if steps++; steps == 2 {
				assert.NoError(t, r.SaveSettings(t.Context(), retry.Settings{BatchSize: 125, CooldownMinutes: 1}))
			}
		}
		r.begin()
		time.Sleep(time.Hour)
		_, sizes := f.moveTimes(began)
		assert.Equal(t, []int{250, 250, 250, 125, 125}, sizes)
	})
}

func TestWorkerOutlastsTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(retry.Settings{BatchSize: 250}, 1250)
		r := start(t, f, f)
		calls := 0
		f.onMove = func(retry.Batch) {
			if calls++; calls == 2 {
				f.setAway(true)
			}
		}
		r.begin()
		time.Sleep(time.Hour)
		assert.Len(t, f.movedIDs(), 250)
		assert.Equal(t, 2, calls)
		f.setAway(false)
		time.Sleep(10 * time.Second)
		assert.Equal(t, ids(1250), f.movedIDs())
		assert.Equal(t, retry.StateCompleted, r.job().State)
	})
}

func TestWorkerFinishesStepAtShutdown(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		takes time.Duration
		moved int
		ends  time.Duration
	}{
		"a step in time":    {takes: 4 * time.Second, moved: 250, ends: 4 * time.Second},
		"a step that hangs": {takes: time.Hour, moved: 0, ends: 5 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(retry.Settings{BatchSize: 5000}, 5000)
				slow := &slowMover{fake: f, takes: test.takes}
				r := start(t, f, slow)
				r.begin()
				synctest.Wait()
				began := time.Now()
				r.stop()
				assert.Equal(t, test.ends, time.Since(began))
				assert.Len(t, f.movedIDs(), test.moved)
			})
		})
	}
}

// slowMover takes its time, but heeds its context.
type slowMover struct {
	*fake
	takes time.Duration
}

func (s *slowMover) Move(ctx context.Context, b retry.Batch) (retry.Moved, error) {
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
	}
	return s.fake.Move(ctx, b)
}
