package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redrive-go/redrive/retry"
)

// jobs keeps retry jobs and settings. It implements retry.Store.
type jobs struct{ *state }

// leasedJob is a job and who works on it.
type leasedJob struct {
	retry.Job
	owner string
	lease time.Duration
	until time.Time
}

func (j *leasedJob) heldBy(owner string, now time.Time) bool {
	return j.owner == owner && now.Before(j.until)
}

// Start adds a job.
func (j *jobs) Start(ctx context.Context, job retry.Job) error {
	if err := j.lock(ctx, "start retry job of %q", job.Queue); err != nil {
		return err
	}
	defer j.mu.Unlock()
	if latest := j.latestJob(job.Queue); latest != nil && !latest.State.Ended() {
		return fmt.Errorf("memory: start retry job of %q: %w", job.Queue, retry.ErrRunning)
	}
	jobs := append(j.jobs[job.Queue], &leasedJob{Job: job})
	j.jobs[job.Queue] = slices.Clone(jobs[max(0, len(jobs)-retry.MaxJobs):])
	return nil
}

// latestJob returns the latest job of a queue, nil where there was none. The caller holds the lock.
func (s *state) latestJob(queue string) *leasedJob {
	jobs := s.jobs[queue]
	if len(jobs) == 0 {
		return nil
	}
	return jobs[len(jobs)-1]
}

// Jobs returns the jobs of a queue, the latest first.
func (j *jobs) Jobs(ctx context.Context, queue, before string, limit int) (found []retry.Job, err error) {
	if err := j.lock(ctx, "list retry jobs of %q", queue); err != nil {
		return nil, err
	}
	defer j.mu.Unlock()
	all := j.jobs[queue]
	if before != "" {
		all = all[:max(0, slices.IndexFunc(all, func(l *leasedJob) bool { return l.ID == before }))]
	}
	for _, job := range slices.Backward(all) {
		if len(found) == limit {
			break
		}
		found = append(found, job.Job)
	}
	return found, nil
}

// Stop asks the running job to stop.
func (j *jobs) Stop(ctx context.Context, queue string) (retry.Job, error) {
	return j.turn(ctx, "stop", queue, (*retry.Job).Stop)
}

// Pause has the running job move nothing.
func (j *jobs) Pause(ctx context.Context, queue string) (retry.Job, error) {
	return j.turn(ctx, "pause", queue, (*retry.Job).Pause)
}

// Resume has a paused job go on.
func (j *jobs) Resume(ctx context.Context, queue string) (retry.Job, error) {
	return j.turn(ctx, "resume", queue, (*retry.Job).Resume)
}

// turn changes the latest job of a queue, unless decide refuses.
func (j *jobs) turn(ctx context.Context, what, queue string, decide func(*retry.Job) error) (retry.Job, error) {
	if err := j.lock(ctx, what+" retry job of %q", queue); err != nil {
		return retry.Job{}, err
	}
	defer j.mu.Unlock()
	latest := j.latestJob(queue)
	err := retry.ErrNoJob
	if latest != nil {
		err = decide(&latest.Job)
	}
	if err != nil {
		return retry.Job{}, fmt.Errorf("memory: %s retry job of %q: %w", what, queue, err)
	}
	return latest.Job, nil
}

// Job returns the latest job of a queue.
func (j *jobs) Job(ctx context.Context, queue string) (retry.Job, error) {
	if err := j.lock(ctx, "read retry job of %q", queue); err != nil {
		return retry.Job{}, err
	}
	defer j.mu.Unlock()
	if latest := j.latestJob(queue); latest != nil {
		return latest.Job, nil
	}
	return retry.Job{}, fmt.Errorf("memory: read retry job of %q: %w", queue, retry.ErrNoJob)
}

// Claim leases the queue's job.
func (j *jobs) Claim(ctx context.Context, queue, owner string, lease time.Duration) (retry.Job, error) {
	if err := j.lock(ctx, "claim retry job of %q", queue); err != nil {
		return retry.Job{}, err
	}
	defer j.mu.Unlock()
	now := time.Now()
	latest := j.latestJob(queue)
	if latest == nil || latest.State.Ended() || latest.State == retry.StatePaused ||
		latest.owner != owner && now.Before(latest.until) {
		return retry.Job{}, fmt.Errorf("memory: claim retry job of %q: %w", queue, retry.ErrNoJob)
	}
	latest.owner, latest.lease, latest.until = owner, lease, now.Add(lease)
	return latest.Job, nil
}

// Save overwrites the job.
func (j *jobs) Save(ctx context.Context, owner string, job retry.Job) error {
	if err := j.lock(ctx, "save retry job %q", job.ID); err != nil {
		return err
	}
	defer j.mu.Unlock()
	now := time.Now()
	latest := j.latestJob(job.Queue)
	if latest == nil || latest.ID != job.ID || latest.State.Ended() || !latest.heldBy(owner, now) {
		return fmt.Errorf("memory: save retry job %q: %w", job.ID, retry.ErrLeaseLost)
	}
	latest.Job = job.SavedOver(latest.Job)
	latest.until = now.Add(latest.lease)
	return nil
}

// Settings returns the settings.
func (j *jobs) Settings(ctx context.Context) (retry.Settings, error) {
	if err := j.lock(ctx, "read settings"); err != nil {
		return retry.Settings{}, err
	}
	defer j.mu.Unlock()
	return j.settings, nil
}

// SaveSettings stores the settings.
func (j *jobs) SaveSettings(ctx context.Context, settings retry.Settings) error {
	if err := j.lock(ctx, "save settings"); err != nil {
		return err
	}
	defer j.mu.Unlock()
	j.settings = settings
	return nil
}

// credit counts moved entries for the job that moved them. The caller holds the lock.
func (s *state) credit(queue, job string, moved int64) {
	if latest := s.latestJob(queue); latest != nil && job != "" && latest.ID == job {
		latest.Moved += moved
		latest.BatchMoved += moved
	}
}
