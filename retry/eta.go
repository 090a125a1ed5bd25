package retry

import (
	"context"
	"math"
	"time"
)

// farOff is the longest time that ETA looks ahead.
const farOff = 100 * 365 * 24 * time.Hour

// ETA estimates when a job will be completed, at the present settings and the pace of the job so far. It is zero for a
// job that has ended, is stopping or paused, and while there is nothing to estimate from.
func (r *Runner) ETA(ctx context.Context, job Job) (time.Time, error) {
	if job.State.Ended() || job.State == StateStopping || job.State == StatePaused {
		return time.Time{}, nil
	}
	settings, err := r.Settings(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return eta(job, settings, time.Now().UTC()), nil
}

// eta counts the time that the moves still take and the cooldowns that lie between them, from now or, in a cooldown,
// from its end.
func eta(job Job, settings Settings, now time.Time) time.Time {
	from := now
	if job.State == StateCoolingDown && job.NextBatchAt.After(now) {
		from = job.NextBatchAt
	}
	cooldown := settings.Cooldown()
	batches := math.Ceil(float64(job.Remaining()+job.BatchMoved) / float64(max(settings.BatchSize, 1)))
	wait := max(batches-1, 0) * float64(cooldown)
	if job.Moved > 0 {
		moving := max(float64(from.Sub(job.StartedAt))-float64(job.Batches)*float64(cooldown), 0)
		wait += moving / float64(job.Moved) * float64(job.Remaining())
	} else if wait == 0 && job.Remaining() > 0 {
		return time.Time{}
	}
	if wait > float64(farOff) {
		return time.Time{}
	}
	return from.Add(time.Duration(wait))
}
