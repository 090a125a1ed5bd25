package retry

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Sentinel errors of this package. They come wrapped with the operation.
var (
	// ErrRunning is returned by Start while a retry job of the same DLQ has not ended.
	ErrRunning = errors.New("a retry job is running")
	// ErrNoJob is returned by Stop when no retry job runs, and by Job when there never was one.
	ErrNoJob = errors.New("no retry job")
	// ErrBadOptions is returned by Start for Options outside of their limits. It comes with every fault.
	ErrBadOptions = errors.New("malformed options of a retry job")
	// ErrNotPaused is returned by Resume when the job of the queue is not paused.
	ErrNotPaused = errors.New("the retry job is not paused")
	// ErrLeaseLost is returned by Store.Save when the job belongs to another owner.
	ErrLeaseLost = errors.New("retry job lease lost")
)

// State is how far a retry job is.
type State string

// The states of a retry job. A job that is running, cooling down, paused or stopping has not ended.
const (
	// StateRunning is a job that moves a batch.
	StateRunning State = "running"
	// StateCoolingDown is a job that waits for its next batch.
	StateCoolingDown State = "cooling_down"
	// StateCanary is a job that waits for the outcome of its first batch.
	StateCanary State = "canary"
	// StatePaused is a job that moves nothing until it is resumed or stopped.
	StatePaused State = "paused"
	// StateStopping is a job that was asked to stop.
	StateStopping State = "stopping"
	// StateStopped is a job that was stopped before its end.
	StateStopped State = "stopped"
	// StateCompleted is a job that moved everything that was meant when it started.
	StateCompleted State = "completed"
	// StateFailed is a job that gave up; Job.Error says why.
	StateFailed State = "failed"
)

// Ended is whether a job in this state does nothing any more.
func (s State) Ended() bool { return s == StateStopped || s == StateCompleted || s == StateFailed }

// Options are what a retry job is started with.
type Options struct {
	// Criteria says which entries are meant, as the Mover understands it; "" for all of them. It is a dlq.Filter's.
	Criteria string `json:"criteria,omitempty"`
	// SingleAttempt gives each message that is moved one attempt, instead of as many as the policy has.
	SingleAttempt bool `json:"single_attempt,omitempty"`
	// Canary, when its Entries are not 0, has the job move a few entries first.
	Canary Canary `json:"canary,omitzero"`
	// StopOverPercent, when not 0, ends the job as failed when more than so many percent of what it moved came back, of at least
	// 20 of which the outcome is known.
	StopOverPercent float64 `json:"stop_over_percent,omitempty"`
}

// Validate returns every fault, joined, each naming its field and limit. Criteria are the Mover's to judge.
func (o *Options) Validate() error {
	var faults []error
	if o.Canary.Entries < 0 || o.Canary.Entries > MaxCanary {
		faults = append(faults, fmt.Errorf("canary.entries must be 0 to %d, not %d", MaxCanary, o.Canary.Entries))
	}
	for name, percent := range map[string]float64{
		"canary.min_processed_percent": o.Canary.MinProcessedPercent, "stop_over_percent": o.StopOverPercent,
	} {
		if !(percent >= 0 && percent <= 100) {
			faults = append(faults, fmt.Errorf("%s must be 0 to 100, not %g", name, percent))
		}
	}
	return errors.Join(faults...)
}

// MaxCanary is the largest number of entries of a Canary.
const MaxCanary = 10_000

// Canary is a first batch whose outcome decides whether a job goes on.
type Canary struct {
	// Entries is how many entries it has, 1 to 10,000.
	Entries int `json:"entries"`
	// MinProcessedPercent is how many percent of them have to be processed for the job to go on, 0 to 100. Else it ends as failed.
	MinProcessedPercent float64 `json:"min_processed_percent"`
}

// Outcome is what became of the entries that a job moved.
type Outcome struct {
	// Processed is how many were processed, or whose callback was delivered.
	Processed int64 `json:"processed"`
	// Refused is how many events were refused with Reject.
	Refused int64 `json:"refused"`
	// CameBack is how many are dead letters again.
	CameBack int64 `json:"came_back"`
}

// Known is how many entries it is about.
func (o Outcome) Known() int64 { return o.Processed + o.Refused + o.CameBack }

// Job is one redrive of a DLQ in batches.
type Job struct {
	// ID names the job: a UUID, time-ordered.
	ID string `json:"id"`
	// Queue is the DLQ.
	Queue string `json:"-"`
	// State is how far it is.
	State State `json:"state"`
	// StartedAt is when it was started, StartedBy by whom.
	StartedAt time.Time `json:"started_at"`
	StartedBy string    `json:"started_by"`
	// Total is how many entries were meant when it started.
	Total int64 `json:"total"`
	// Moved is how many of them it moved. It is what was committed.
	Moved int64 `json:"moved"`
	// Outcome is what became of those so far. The others wait to be processed, or were settled by a host that does not tell.
	Outcome Outcome `json:"outcome"`
	// Batches is how many batches it finished.
	Batches int64 `json:"batches"`
	// BatchMoved is how many entries the present batch moved so far.
	BatchMoved int64 `json:"-"`
	// Options are what it was started with.
	Options Options `json:"-"`
	// After is the id up to which it has looked.
	After int64 `json:"-"`
	// UpTo is the largest id to move. Entries that come in later, also those that fail again, are left alone.
	UpTo int64 `json:"-"`
	// NextBatchAt is when the next batch begins, while it cools down.
	NextBatchAt time.Time `json:"next_batch_at,omitzero"`
	// EndedAt is when it ended; zero before.
	EndedAt time.Time `json:"ended_at,omitzero"`
	// Error is why it failed.
	Error string `json:"error,omitempty"`
}

// Remaining is how many entries are not moved yet. It counts entries that were erased meanwhile, or moved by hand,
// until the job is completed: then none remains.
func (j Job) Remaining() int64 {
	if j.State == StateCompleted {
		return 0
	}
	return max(0, j.Total-j.Moved)
}

// MaxJobs is how many jobs of a queue a Store keeps at least.
const MaxJobs = 1000

// Store keeps retry jobs and settings. A backend implements it. Every method may be called from any number of
// goroutines and processes.
type Store interface {
	// Start adds a job, or returns ErrRunning when one of the same queue has not ended. It may forget the oldest ones beyond MaxJobs.
	Start(ctx context.Context, job Job) error
	// Job returns the latest job of a queue, or ErrNoJob.
	Job(ctx context.Context, queue string) (Job, error)
	// Jobs returns the jobs of a queue, the latest first, at most limit of them; those that were started before the one named
	// before, when that is not empty. One that is not known is followed by none.
	Jobs(ctx context.Context, queue, before string, limit int) ([]Job, error)
	// Stop does Job.Stop to the running job and returns it, or ErrNoJob when none runs.
	Stop(ctx context.Context, queue string) (Job, error)
	// Pause does Job.Pause to the running job and returns it, or ErrNoJob when none runs.
	Pause(ctx context.Context, queue string) (Job, error)
	// Resume does Job.Resume to the latest job and returns it. It returns ErrNotPaused for a job in another state, and ErrNoJob
	// where there never was one.
	Resume(ctx context.Context, queue string) (Job, error)
	// Claim leases the queue's job to owner, or returns ErrNoJob if it has ended or is paused; also while another owner holds
	// it. An owner that dies loses it after lease; an owner that holds it gets it again, renewed.
	Claim(ctx context.Context, queue, owner string, lease time.Duration) (Job, error)
	// Save puts Job.SavedOver in the job's place while owner holds it, and renews its lease; otherwise it returns ErrLeaseLost.
	Save(ctx context.Context, owner string, job Job) error
	// Settings returns the stored settings, or the defaults.
	Settings(ctx context.Context) (Settings, error)
	// SaveSettings stores the settings.
	SaveSettings(ctx context.Context, settings Settings) error
}
