package retry

import "context"

// chunk is the largest number of entries moved in one step. Each step is a short transaction, so that intake is
// never blocked for long, and a stop takes effect after the step under way. What a larger one writes keeps the disk
// of a server busy for so long that the commits of intake wait for it.
const chunk = 250

// Batch asks a Mover for one step of a retry job.
type Batch struct {
	// Queue is the DLQ to move from.
	Queue string
	// UpTo is the largest id to move.
	UpTo int64
	// Limit is the largest number of entries to move, 1 to 250.
	Limit int
	// Job is the id of the job whose count grows together with the move.
	Job string
}

// Mover moves dead letters back. dlq.Manager is one. Both methods may be called from any number of goroutines.
type Mover interface {
	// Bound returns how many entries stand in a DLQ, and the largest id among them, 0 when it is empty.
	Bound(ctx context.Context, queue string) (total, upTo int64, err error)
	// Move moves the oldest entries of a batch, and returns how many. 0 means that nothing is left up to Batch.UpTo.
	// After an error it may be repeated.
	Move(ctx context.Context, batch Batch) (moved int64, err error)
}
