package retry

import (
	"context"
	"errors"
	"time"
)

// Sentinel errors of this package. They come wrapped with the operation.
var (
	// ErrRunning is returned by Start while a retry job of the same DLQ has not ended.
	ErrRunning = errors.New("a retry job is running")
	// ErrNoJob is returned by Stop when no retry job runs, and by Job when there never was one.
	ErrNoJob = errors.New("no retry job")
	// ErrLeaseLost is returned by Store.Save when the job belongs to another owner.
	ErrLeaseLost = errors.New("retry job lease lost")
)

// State is how far a retry job is.
type State string

// The states of a retry job. A job that is running, cooling down or stopping has not ended.
const (
	// StateRunning is a job that moves a batch.
	StateRunning State = "running"
	// StateCoolingDown is a job that waits for its next batch.
	StateCoolingDown State = "cooling_down"
	// StateStopping is a job that was asked to stop.
	StateStopping State = "stopping"
	// StateStopped is a job that was stopped before its end.
	StateStopped State = "stopped"
	// StateCompleted is a job that moved everything that stood in the DLQ when it started.
	StateCompleted State = "completed"
	// StateFailed is a job that gave up; Job.Error says why.
	StateFailed State = "failed"
)

// Ended is whether a job in this state does nothing any more.
func (s State) Ended() bool { return s == StateStopped || s == StateCompleted || s == StateFailed }

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
	// Total is how many entries stood in the DLQ when it started.
	Total int64 `json:"total"`
	// Moved is how many of them it moved. It is what was committed.
	Moved int64 `json:"moved"`
	// Batches is how many batches it finished.
	Batches int64 `json:"batches"`
	// BatchMoved is how many entries the present batch moved so far.
	BatchMoved int64 `json:"-"`
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

// Store keeps retry jobs and settings. A backend implements it. Every method may be called from any number of
// goroutines and processes.
type Store interface {
	// Start adds a job, or returns ErrRunning when one of the same queue has not ended. Only the queue's latest job
	// need be kept.
	Start(ctx context.Context, job Job) error
	// Job returns the latest job of a queue, or ErrNoJob.
	Job(ctx context.Context, queue string) (Job, error)
	// Stop turns the state of the running job into StateStopping and returns the job, or ErrNoJob when none runs.
	Stop(ctx context.Context, queue string) (Job, error)
	// Claim leases the queue's job to owner if it has not ended, or returns ErrNoJob; also while another owner holds
	// it. An owner that dies loses it after lease; an owner that holds it gets it again, renewed.
	Claim(ctx context.Context, queue, owner string, lease time.Duration) (Job, error)
	// Save overwrites the job except Moved and BatchMoved, which only dlq.Store.Redrive moves on, while owner holds it,
	// and renews its lease; otherwise it returns ErrLeaseLost. Saving StateRunning or StateCoolingDown over StateStopping
	// keeps StateStopping. When Batches grows, BatchMoved starts again at 0.
	Save(ctx context.Context, owner string, job Job) error
	// Settings returns the stored settings, or the defaults.
	Settings(ctx context.Context) (Settings, error)
	// SaveSettings stores the settings.
	SaveSettings(ctx context.Context, settings Settings) error
}
