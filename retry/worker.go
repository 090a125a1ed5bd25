package retry

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// leaveTime is how long a step that is under way when the Runner ends may take to finish: a step that is cut off
// is moved twice where store and transport share no database.
const leaveTime = 5 * time.Second

// troubleBackoff spaces the tries while the store or the transport fails. There is no last try: a job does not fail
// because they were away for a while.
var troubleBackoff = Policy{InitialBackoff: 500 * time.Millisecond, MaxBackoff: 5 * time.Second, Multiplier: 2}

// worker runs the jobs of one queue in one Runner. All that must survive stands in the store; what it remembers of its
// own only spares or refines.
type worker struct {
	*Runner
	queue, owner string
	wake         <-chan struct{}

	job     string // the job whose beginning was logged
	looked  looked
	batch   batchSize
	cooling coolingDown
}

// looked is how far a job has looked: the store knows that only from the end of the last batch.
type looked struct {
	job   string
	after int64
}

// batchSize is the size that a batch began with: changed settings hold from the next one on.
type batchSize struct {
	job    string
	number int64
	size   int64
}

// coolingDown is when the last batch of a job ended.
type coolingDown struct {
	job   string
	batch int64
	since time.Time
}

// run takes step after step until ctx ends.
func (w *worker) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		wait, err := w.leavingStep(ctx)
		if err != nil {
			failures++
			wait = troubleBackoff.Backoff(failures)
			w.config.Logger.WarnContext(ctx, "retry job delayed", "queue", w.queue, "error", err, "retry_in", wait)
		} else {
			failures = 0
		}
		w.sleep(ctx, wait)
	}
}

// leavingStep is a step with a context that ends leaveTime after ctx.
func (w *worker) leavingStep(ctx context.Context) (time.Duration, error) {
	stepCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(leaveTime, cancel)
		context.AfterFunc(stepCtx, func() { timer.Stop() })
	})
	defer stop()
	return w.step(stepCtx)
}

func (w *worker) sleep(ctx context.Context, wait time.Duration) {
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-w.wake:
	case <-timer.C:
	}
}

// step claims the queue's job, which renews the lease and reads the state afresh, does the next piece of it, and
// returns how long to wait before the next step. It may be repeated after an error at any point.
func (w *worker) step(ctx context.Context) (time.Duration, error) {
	job, err := w.store.Claim(ctx, w.queue, w.owner, w.config.Lease)
	if errors.Is(err, ErrNoJob) {
		return w.config.PollInterval, nil
	}
	if err != nil {
		return 0, fmt.Errorf("retry: claim job of %s: %w", w.queue, err)
	}
	if w.job != job.ID {
		w.job = job.ID
		w.config.Logger.InfoContext(ctx, "retry job taken up", "queue", w.queue, "job", job.ID, "moved", job.Moved)
	}
	wait, err := w.advance(ctx, job)
	if errors.Is(err, ErrLeaseLost) {
		w.job = ""
		w.config.Logger.WarnContext(ctx, "retry job taken over by another process", "queue", w.queue, "job", job.ID)
		return w.config.PollInterval, nil
	}
	return wait, err
}

func (w *worker) advance(ctx context.Context, job Job) (time.Duration, error) {
	if reason := job.tooManyCameBack(); reason != "" && job.State != StateStopping {
		return 0, w.fail(ctx, job, reason)
	}
	switch job.State {
	case StateStopping:
		return 0, w.end(ctx, job, StateStopped)
	case StateCoolingDown:
		return w.coolDown(ctx, job)
	case StateCanary:
		return w.watchCanary(ctx, job)
	default:
		return 0, w.moveChunk(ctx, job)
	}
}

// moveChunk moves the next entries of the present batch, at most chunk of them.
func (w *worker) moveChunk(ctx context.Context, job Job) error {
	size, err := w.sizeOf(ctx, job)
	if err != nil {
		return err
	}
	if job.BatchMoved >= size { // the process before this one died between the last chunk and the end of the batch
		return w.endBatch(ctx, job)
	}
	if w.looked.job == job.ID {
		job.After = max(job.After, w.looked.after)
	}
	moved, err := w.mover.Move(ctx, Batch{
		Queue: job.Queue, Criteria: job.Options.Criteria, After: job.After, UpTo: job.UpTo,
		Limit: int(min(chunk, size-job.BatchMoved)), Job: job.ID, SingleAttempt: job.Options.SingleAttempt,
	})
	if err != nil {
		return fmt.Errorf("retry: job %s of %s: %w", job.ID, job.Queue, err)
	}
	w.looked = looked{job.ID, moved.After}
	job.After = moved.After
	job.Moved += moved.Count
	job.BatchMoved += moved.Count
	switch {
	case moved.Done:
		return w.complete(ctx, job)
	case job.BatchMoved >= size:
		return w.endBatch(ctx, job)
	}
	return nil
}

// sizeOf is the size of the batch that the job is at.
func (w *worker) sizeOf(ctx context.Context, job Job) (int64, error) {
	if w.batch.job == job.ID && w.batch.number == job.Batches {
		return w.batch.size, nil
	}
	if job.Batches == 0 && job.Options.Canary.Entries > 0 {
		return int64(job.Options.Canary.Entries), nil
	}
	settings, err := w.Settings(ctx)
	if err != nil {
		return 0, err
	}
	w.batch = batchSize{job: job.ID, number: job.Batches, size: int64(max(settings.BatchSize, MinBatchSize))}
	return w.batch.size, nil
}

// endBatch notes that a batch is done, and lets the job cool down unless nothing remains.
func (w *worker) endBatch(ctx context.Context, job Job) error {
	left, err := w.left(ctx, job)
	if err != nil {
		return err
	}
	if !left {
		return w.complete(ctx, job)
	}
	job.Batches, job.BatchMoved = job.Batches+1, 0
	if job.isCanary() {
		job.State = StateCanary
		return w.save(ctx, job)
	}
	return w.rest(ctx, job)
}

// rest lets a job cool down after a batch.
func (w *worker) rest(ctx context.Context, job Job) error {
	settings, err := w.Settings(ctx)
	if err != nil {
		return err
	}
	job.State, job.NextBatchAt = StateRunning, time.Time{}
	if cooldown := settings.Cooldown(); cooldown > 0 {
		now := time.Now().UTC()
		job.State, job.NextBatchAt = StateCoolingDown, now.Add(cooldown)
		w.cooling = coolingDown{job: job.ID, batch: job.Batches, since: now}
	}
	return w.save(ctx, job)
}

// left is whether entries may remain for the job. Entries that were erased or moved by hand meanwhile make the count
// too large, which then shows in an empty DLQ, or else in an empty batch.
func (w *worker) left(ctx context.Context, job Job) (bool, error) {
	if job.Remaining() == 0 {
		return false, nil
	}
	total, _, err := w.mover.Bound(ctx, job.Queue, "")
	if err != nil {
		return false, fmt.Errorf("retry: job %s of %s: %w", job.ID, job.Queue, err)
	}
	return total > 0, nil
}

// coolDown waits for the next batch. The settings may change meanwhile, so the wait counts from the end of the last
// batch, with the cooldown that holds now.
func (w *worker) coolDown(ctx context.Context, job Job) (time.Duration, error) {
	settings, err := w.Settings(ctx)
	if err != nil {
		return 0, err
	}
	cooldown, now := settings.Cooldown(), time.Now().UTC()
	due := w.batchEnd(job, cooldown, now).Add(cooldown)
	switch {
	case !due.After(now):
		job.State, job.NextBatchAt = StateRunning, time.Time{}
		return 0, w.save(ctx, job)
	case !due.Equal(job.NextBatchAt):
		job.NextBatchAt = due
		if err := w.save(ctx, job); err != nil {
			return 0, err
		}
	}
	return min(due.Sub(now), w.config.PollInterval), nil
}

// batchEnd is when the job's last batch ended. The store keeps only when the next one begins. A worker that did
// not end the batch itself takes the cooldown at its first look for the one that was used; no batch has ended in the
// future, so a cooldown that was shortened before that look is followed too.
func (w *worker) batchEnd(job Job, cooldown time.Duration, now time.Time) time.Time {
	if w.cooling.job != job.ID || w.cooling.batch != job.Batches {
		since := job.NextBatchAt.Add(-cooldown)
		if since.After(now) {
			since = now
		}
		w.cooling = coolingDown{job: job.ID, batch: job.Batches, since: since}
	}
	return w.cooling.since
}

// complete ends a job that has nothing left to move.
func (w *worker) complete(ctx context.Context, job Job) error {
	if job.BatchMoved > 0 {
		job.Batches, job.BatchMoved = job.Batches+1, 0
	}
	return w.end(ctx, job, StateCompleted)
}

func (w *worker) end(ctx context.Context, job Job, state State) error {
	job.State, job.EndedAt, job.NextBatchAt = state, time.Now().UTC(), time.Time{}
	if err := w.save(ctx, job); err != nil {
		return err
	}
	w.config.Logger.InfoContext(ctx, "retry job ended", "queue", job.Queue, "job", job.ID, "state", state,
		"moved", job.Moved, "batches", job.Batches)
	return nil
}

func (w *worker) save(ctx context.Context, job Job) error {
	if err := w.store.Save(ctx, w.owner, job); err != nil {
		return fmt.Errorf("retry: save job %s of %s: %w", job.ID, job.Queue, err)
	}
	return nil
}
