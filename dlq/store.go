package dlq

import (
	"context"
	"iter"
	"slices"
	"time"
)

// Store keeps the entries of any number of DLQs, named by their queue. A backend implements it; Manager stands on it.
// Every method may be called from any number of goroutines. An error other than the sentinels of this package
// means that the store could not be reached or used, and that nothing was changed.
type Store interface {
	// Add puts a message into a DLQ. It is idempotent by queue and message id: where an entry of that message stands
	// already, Add changes nothing and returns nil. ID, CreatedAt and Exported of the entry are the store's to fill.
	//
	// Where ctx is the context of a message that this backend's own Subscriber delivered, the message leaves its
	// main queue in the same transaction, and Add returns ErrNotHeld without a change if its claim was lost meanwhile.
	Add(ctx context.Context, entry Entry) error

	// List returns entries of one DLQ, oldest first. No match is an empty list, not an error.
	List(ctx context.Context, params ListParams) ([]Entry, error)

	// Count returns how many entries are meant, and the largest id in the DLQ at that moment, 0 when it is empty. It reads no
	// more of them than it has to: without conditions, and for a signature alone, it is a number that the store keeps.
	Count(ctx context.Context, params CountParams) (count, newest int64, err error)

	// Redrive moves entries back to the topics they came from, each in one step where the store and the
	// transport share a database, so that an entry is moved exactly once. It returns how many were moved, and the
	// entry itself when one was asked for. Ids that are not there (any more) are passed over.
	Redrive(ctx context.Context, params RedriveParams) (Redriven, error)

	// Transfer moves entries from one DLQ to another, each in one step, and returns how many it moved. They come in there as Add
	// would have them, with ids and CreatedAt of their own; one of the same message that stands there is replaced. Ids that are not
	// there (any more) are passed over.
	Transfer(ctx context.Context, params TransferParams) (int64, error)

	// Erase removes entries for good, and returns how many it removed. Ids that are not there (any more) are passed over.
	Erase(ctx context.Context, params EraseParams) (int64, error)

	// Stat returns the present size of a DLQ. A DLQ that never held an entry is empty, not an error.
	Stat(ctx context.Context, queue string) (Stats, error)

	// Groups returns the causes of the failures in a DLQ, those with most entries first, at most limit of them.
	Groups(ctx context.Context, queue string, limit int) ([]Group, error)

	// Snapshot calls read with one consistent view of a DLQ: Stats and the entries, oldest first, as they stood at one
	// moment, whatever is added, moved or erased meanwhile, in constant memory. It returns what read returns. The sequence
	// yields an error at most once, as its last element, and can be gone through more than once.
	Snapshot(ctx context.Context, queue string, read func(Stats, iter.Seq2[Entry, error]) error) error

	// MarkExported notes that an export contains every entry of the DLQ with an id of at most upTo.
	MarkExported(ctx context.Context, queue string, upTo int64) error
}

// ListParams say which entries List returns.
type ListParams struct {
	// Queue names the DLQ.
	Queue string
	// IDs, when there are any, asks for those entries. They are in ascending order.
	IDs []int64
	// After asks for entries with a larger id.
	After int64
	// UpTo, when not 0, asks for entries with an id of at most that.
	UpTo int64
	// CorrelationID and Signature, when not empty, ask for entries of that event and of that cause; see Failure.Signature.
	CorrelationID, Signature string
	// From and To, when not zero, ask for entries with a CreatedAt of at least From, and before To.
	From, To time.Time
	// Limit is the largest number of entries returned. It must be positive.
	Limit int
	// Brief asks for entries without their Payload, Metadata, Attempts and Failure.Stack, which then need not be read.
	Brief bool
}

// CountParams say which entries Count counts.
type CountParams struct {
	// ListParams look entries up. Brief is not read. Limit, when it is not 0, is where counting may end: a count of Limit is one of at
	// least that.
	ListParams
	// Job, when not empty, asks for entries with that Job.
	Job string
	// MinRedrives and MaxRedrives, when not nil, bound Redrives, both included.
	MinRedrives, MaxRedrives *int
}

// IsZero is whether all entries of the DLQ are to be counted.
func (p *CountParams) IsZero() bool {
	return len(p.IDs) == 0 && p.After == 0 && p.UpTo == 0 && p.CorrelationID == "" && p.Signature == "" && p.From.IsZero() &&
		p.To.IsZero() && p.Job == "" && p.MinRedrives == nil && p.MaxRedrives == nil
}

// Meets is whether an entry is among those to be counted; see ListParams.Meets.
func (p *CountParams) Meets(e *Entry, signature func() string) bool {
	return (p.Job == "" || p.Job == e.Job) &&
		(p.MinRedrives == nil || e.Redrives >= *p.MinRedrives) &&
		(p.MaxRedrives == nil || e.Redrives <= *p.MaxRedrives) &&
		p.ListParams.Meets(e, signature)
}

// Meets is whether an entry is within the ids, among the named ones, and of the event, the cause and the time that are asked for: for
// stores that do not look that up. signature returns that of its failure, and is called only where it matters.
func (p *ListParams) Meets(e *Entry, signature func() string) bool {
	return p.names(e.ID) && e.ID > p.After && (p.UpTo == 0 || e.ID <= p.UpTo) &&
		(p.CorrelationID == "" || p.CorrelationID == e.CorrelationID) &&
		(p.From.IsZero() || !e.CreatedAt.Before(p.From)) &&
		(p.To.IsZero() || e.CreatedAt.Before(p.To)) &&
		(p.Signature == "" || p.Signature == signature())
}

func (p *ListParams) names(id int64) bool {
	_, named := slices.BinarySearch(p.IDs, id)
	return named || len(p.IDs) == 0
}

// Selection says which entries leave a DLQ: those in IDs, or else the oldest Limit entries with an id of at most UpTo.
type Selection struct {
	// IDs names the entries. When it is set, UpTo and Limit are not read.
	IDs []int64
	// UpTo is the largest id.
	UpTo int64
	// Limit is the largest number of entries. It must be positive.
	Limit int
}

// RedriveParams say which entries Redrive moves.
type RedriveParams struct {
	// Queue names the DLQ.
	Queue string
	Selection
	// Job, when not empty, is the retry job whose count of moved entries grows in the same transaction.
	Job string
	// SingleAttempt is whether the messages get one attempt only: they carry retry.MetadataSingleAttempt.
	SingleAttempt bool
	// Edit, when not nil, changes the payload of the one entry that IDs names.
	Edit *Edit
	// Full asks for the moved entries in Redriven.Entries.
	Full bool
}

// Edit is another payload for an entry that is moved back, and where the entry stays as it was.
type Edit struct {
	// Payload takes the place of the entry's.
	Payload []byte
	// Kept names the DLQ to which the entry is added as it was, in the same transaction. One of the same message that stands there
	// already stays: it is what it was before an earlier change.
	Kept string
}

// Redriven is what Redrive did.
type Redriven struct {
	// Moved is how many entries were moved.
	Moved int64
	// Entries is what was moved, when RedriveParams.Full asked for it.
	Entries []Entry
}

// EraseParams say which entries Erase removes.
type EraseParams struct {
	// Queue names the DLQ.
	Queue string
	Selection
}

// TransferParams say which entries Transfer moves.
type TransferParams struct {
	// From and To name the DLQs. They must differ.
	From, To string
	Selection
}

// Stats is the size of a DLQ at one moment.
type Stats struct {
	// Queue names the DLQ.
	Queue string
	// Count is how many entries it holds.
	Count int64
	// Newest is the largest id in it, 0 when it is empty.
	Newest int64
	// OldestAt is when its oldest entry came in; zero when it is empty.
	OldestAt time.Time
}
