package retry

import (
	"context"
	"fmt"
	"time"
)

// minKnown is how many outcomes it takes to judge a job by the share of entries that came back.
const minKnown = 20

// isCanary is whether a job has just moved its canary.
func (j *Job) isCanary() bool {
	return j.Options.Canary.Entries > 0 && j.Batches == 1 && j.BatchMoved == 0
}

// tooManyCameBack says why a job is to end that was told to when entries come back; "" for all others.
func (j *Job) tooManyCameBack() string {
	limit, known := j.Options.StopOverPercent, j.Outcome.Known()
	if limit == 0 || known < minKnown || 100*float64(j.Outcome.CameBack) <= limit*float64(known) {
		return ""
	}
	return fmt.Sprintf("%d of %d entries came back, more than %g %%", j.Outcome.CameBack, known, limit)
}

// verdict is what a canary's outcome means so far. It does not wait for what can change nothing any more.
func (j *Job) verdict() (passed bool, reason string) {
	needed := j.Options.Canary.MinProcessedPercent * float64(j.Moved)
	lost := j.Outcome.Refused + j.Outcome.CameBack
	switch {
	case 100*float64(j.Outcome.Processed) >= needed:
		return true, ""
	case 100*float64(j.Moved-lost) < needed:
		return false, fmt.Sprintf("canary: %d of %d were not processed, and %g %% have to be", lost, j.Moved,
			j.Options.Canary.MinProcessedPercent)
	}
	return false, ""
}

// watchCanary waits for the outcome of the first batch, and goes on or gives up. Whoever does not want to wait stops the job.
func (w *worker) watchCanary(ctx context.Context, job Job) (time.Duration, error) {
	passed, reason := job.verdict()
	switch {
	case reason != "":
		return 0, w.fail(ctx, job, reason)
	case !passed:
		return w.config.PollInterval, nil
	}
	return 0, w.rest(ctx, job)
}

// fail ends a job that gives up.
func (w *worker) fail(ctx context.Context, job Job, reason string) error {
	job.Error = reason
	return w.end(ctx, job, StateFailed)
}
