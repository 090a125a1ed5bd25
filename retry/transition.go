package retry

import "time"

// Stop has a job end after the step under way. It returns ErrNoJob for one that has ended.
func (j *Job) Stop() error {
	if j.State.Ended() {
		return ErrNoJob
	}
	j.State = StateStopping
	return nil
}

// Pause has a job move nothing after the step under way. It returns ErrNoJob for one that has ended. One that is to stop still is.
func (j *Job) Pause() error {
	if j.State.Ended() {
		return ErrNoJob
	}
	if j.State != StateStopping {
		j.State, j.NextBatchAt = StatePaused, time.Time{}
	}
	return nil
}

// Resume has a paused job go on: a canary waits for its outcome again. It returns ErrNotPaused for a job in another state.
func (j *Job) Resume() error {
	if j.State != StatePaused {
		return ErrNotPaused
	}
	j.State = StateRunning
	if j.isCanary() {
		j.State = StateCanary
	}
	return nil
}

// SavedOver is what stands after a worker has saved a job over the one that stands. Options stay, and what the stores of dead letters
// and events move on: Outcome, Moved, and BatchMoved until Batches grows. StateStopping and StatePaused stay as well unless the job
// ends: somebody asked for them, and the worker began its step before.
func (j Job) SavedOver(present Job) Job {
	j.Options, j.Outcome, j.Moved, j.BatchMoved = present.Options, present.Outcome, present.Moved, present.BatchMoved
	if j.Batches > present.Batches {
		j.BatchMoved = 0
	}
	if (present.State == StateStopping || present.State == StatePaused) && !j.State.Ended() {
		j.State = present.State
	}
	return j
}
