package retry

import "context"

// chunk is the largest number of entries that one step asks for. Each step is a short transaction, so that intake is
// never blocked for long, and a stop takes effect after the step under way. A store of which others wait for its steps moves fewer.
const chunk = 1000

// Batch asks a Mover for one step of a retry job.
type Batch struct {
	// Queue is the DLQ to move from.
	Queue string
	// Criteria says which of its entries are meant; "" for all of them.
	Criteria string
	// After is the id up to which earlier steps have looked: there is nothing to move any more.
	After int64
	// UpTo is the largest id to move.
	UpTo int64
	// Limit is the largest number of entries to move, 1 to 1,000. Fewer may be moved of more.
	Limit int
	// Job is the id of the job whose count grows together with the move.
	Job string
	// SingleAttempt is whether what is moved gets one attempt only.
	SingleAttempt bool
}

// Moved is what a step of a retry job did.
type Moved struct {
	// Count is how many entries it moved.
	Count int64
	// After is the id up to which it has looked.
	After int64
	// Done is whether nothing is left to move.
	Done bool
}

// Mover moves dead letters back. dlq.Manager is one. All methods may be called from any number of goroutines.
type Mover interface {
	// Bound returns how many entries of a DLQ the criteria mean, and the largest id in it, 0 when it is empty. "" means all.
	// Criteria that it does not understand are an error.
	Bound(ctx context.Context, queue, criteria string) (total, upTo int64, err error)
	// Below returns the criteria of those that criteria mean which were moved back fewer than so many times. Criteria that it does not
	// understand are an error.
	Below(criteria string, redrives int) (string, error)
	// Move moves the oldest entries of a batch. It may have looked at many entries and moved none of them, so that a step is
	// short. After an error it may be repeated.
	Move(ctx context.Context, batch Batch) (Moved, error)
}
