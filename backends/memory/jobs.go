package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/redrive-go/redrive/retry"
)

// jobs keeps retry jobs and settings. It implements retry.Store.
type jobs struct{ *state }

// leasedJob is the latest job of a queue and who works on it.
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
	if latest := j.jobs[job.Queue]; latest != nil && !latest.State.Ended() {
		return fmt.Errorf("memory: start retry job of %q: %w", job.Queue, retry.ErrRunning)
	}
	j.jobs[job.Queue] = &leasedJob{Job: job}
	return nil
}

// Job returns the latest job of a queue.
func (j *jobs) Job(ctx context.Context, queue string) (retry.Job, error) {
	if err := j.lock(ctx, "read retry job of %q", queue); err != nil {
		return retry.Job{}, err
	}
	defer j.mu.Unlock()
	if latest := j.jobs[queue]; latest != nil {
		return latest.Job, nil
	}
	return retry.Job{}, fmt.Errorf("memory: read retry job of %q: %w", queue, retry.ErrNoJob)
}

// Stop asks the running job to stop.
func (j *jobs) Stop(ctx context.Context, queue string) (retry.Job, error) {
	if err := j.lock(ctx, "stop retry job of %q", queue); err != nil {
		return retry.Job{}, err
	}
	defer j.mu.Unlock()
	latest := j.jobs[queue]
	if latest == nil || latest.State.Ended() {
		return retry.Job{}, fmt.Errorf("memory: stop retry job of %q: %w", queue, retry.ErrNoJob)
	}
	latest.State = retry.StateStopping
	return latest.Job, nil
}

// Claim leases the queue's job.
func (j *jobs) Claim(ctx context.Context, queue, owner string, lease time.Duration) (retry.Job, error) {
	if err := j.lock(ctx, "claim retry job of %q", queue); err != nil {
		return retry.Job{}, err
	}
	defer j.mu.Unlock()
	now := time.Now()
	latest := j.jobs[queue]
	if latest == nil || latest.State.Ended() || latest.owner != owner && now.Before(latest.until) {
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
	latest := j.jobs[job.Queue]
	if latest == nil || latest.ID != job.ID || latest.State.Ended() || !latest.heldBy(owner, now) {
		return fmt.Errorf("memory: save retry job %q: %w", job.ID, retry.ErrLeaseLost)
	}
	latest.Job = saved(latest.Job, job)
	latest.until = now.Add(latest.lease)
	return nil
}

// saved is what stands after job was saved over present.
func saved(present, job retry.Job) retry.Job {
	job.Moved, job.BatchMoved = present.Moved, present.BatchMoved
	if job.Batches > present.Batches {
		job.BatchMoved = 0
	}
	if present.State == retry.StateStopping && !job.State.Ended() {
		job.State = retry.StateStopping
	}
	return job
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
	if latest := s.jobs[queue]; latest != nil && job != "" && latest.ID == job {
		latest.Moved += moved
		latest.BatchMoved += moved
	}
}
