package export

import (
	"context"
	"errors"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

// Sentinel errors of this package. They come wrapped with the operation and the id.
var (
	// ErrNotFound is returned for an export that is not in the catalogue, and for the file of one that has none.
	ErrNotFound = errors.New("export not found")
	// ErrNotReady is returned for the file of an export that is still running or has failed.
	ErrNotReady = errors.New("export has no file yet")
)

// State is how far an export is.
type State string

// The states of an export.
const (
	// StateRunning is an export that is waiting to be written or being written.
	StateRunning State = "running"
	// StateCompleted is an export whose file is complete and durable.
	StateCompleted State = "completed"
	// StateFailed is an export that gave up; Record.Error says why.
	StateFailed State = "failed"
)

// Record describes one export.
type Record struct {
	// ID names the export: a UUID, time-ordered.
	ID string `json:"id"`
	// Queue is the DLQ that was exported.
	Queue string `json:"queue"`
	// State is how far it is.
	State State `json:"state"`
	// Format is the file's format: FormatJSON or FormatNDJSON.
	Format string `json:"format"`
	// Filter says which entries it is about; all by default. Only an export of all has its entries noted as exported.
	Filter dlq.Filter `json:"filter,omitzero"`
	// Count is how many entries the file holds; while it runs, how many are written. It is brought up to date about every second.
	Count int64 `json:"count"`
	// Total is how many entries the file will hold; 0 until its writing has begun.
	Total int64 `json:"total,omitzero"`
	// Bytes is the file's size, 0 until it is complete.
	Bytes int64 `json:"bytes"`
	// SHA256 is the file's checksum in hexadecimal, "" until it is complete.
	SHA256 string `json:"sha256"`
	// CreatedAt is when the export was asked for.
	CreatedAt time.Time `json:"created_at"`
	// CreatedBy is who asked for it.
	CreatedBy string `json:"created_by"`
	// FinishedAt is when it was completed or failed; zero before.
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// Error is why it failed.
	Error string `json:"error,omitempty"`
}

// Catalog keeps the records of exports. A backend implements it. Every method may be called from any number of
// goroutines.
type Catalog interface {
	// Create adds a record. Its ID is new.
	Create(ctx context.Context, record Record) error
	// Get returns a record, or ErrNotFound.
	Get(ctx context.Context, id string) (Record, error)
	// List returns the records of a queue, or of all queues when it is "", newest first, at most limit of them.
	List(ctx context.Context, queue string, limit int) ([]Record, error)
	// Claim leases the oldest running export that nobody holds to owner, or returns ErrNotFound. An owner that dies
	// loses it after lease; an owner that holds one already gets it again, renewed.
	Claim(ctx context.Context, owner string, lease time.Duration) (Record, error)
	// Save overwrites the record while owner holds it and renews the lease by the one given to Claim, or returns
	// ErrNotFound. Saving a state other than StateRunning ends the lease.
	Save(ctx context.Context, owner string, record Record) error
	// Delete removes a record, or returns ErrNotFound.
	Delete(ctx context.Context, id string) error
}
