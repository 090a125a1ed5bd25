package sqlstore

import (
	"context"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// Dialect holds what databases say differently.
type Dialect interface {
	// Name is the backend's name, such as "sqlite".
	Name() string

	// Publish appends messages to their topics. Those of one topic stand together.
	Publish(t Tx, messages []Outgoing) error
	// Claim is queue.Driver's, in a transaction of its own.
	Claim(ctx context.Context, p queue.ClaimParams) (claimed []queue.Claimed, next time.Duration, err error)
	// Settle ends claims, and tells which were still held.
	Settle(t Tx, settlements []queue.Settlement) (held []bool, err error)
	// Renew extends the leases of claims that stand, and returns those.
	Renew(t Tx, claims []queue.Held, lease time.Duration) (kept []queue.Held, err error)
	// Expired returns messages whose lease has run out. Its columns are those of ScanClaimed, then claim and claimed_at.
	Expired(t Tx, topic string, limit int, scan func(Scanner) error) error
	// Backlog counts the messages of a topic.
	Backlog(t Tx, topic string) (asyncevents.Backlog, error)

	// Insert adds rows to a table, each of as many args as there are columns: string, int64 or []byte. It passes over rows
	// whose key exists, and returns how many it added.
	Insert(t Tx, table string, columns []string, args []any) (int64, error)
	// RecordEvents and RecordCallbacks write outcomes into the rows of their events: of the event itself, or of its
	// callback.
	RecordEvents(t Tx, outcomes []*asyncevents.Settlement) error
	RecordCallbacks(t Tx, outcomes []*asyncevents.Settlement) error
	// DeleteEvents removes the records of events, and locks no other.
	DeleteEvents(t Tx, ids []any) (removed int64, err error)
	// Step is the most entries that one step of a retry job moves: others wait for what it locks.
	Step() int
	// MoveBack publishes the dead letters of a span to its topic, tells their events, and removes them from the DLQ. It
	// returns how many there were.
	MoveBack(t Tx, dlq string, s Span) (moved int64, err error)
}

// Waiting is a Dialect whose server goes on waiting for a lock when nobody waits for the answer any more, and keeps what the
// transaction has locked until then.
type Waiting interface {
	// WaitBriefly runs work in a transaction whose statements wait for a lock for about a second, and no longer.
	WaitBriefly(t Tx, work func() error) error
}

// Spreading is a Dialect whose server keeps what is written until a checkpoint syncs all of it at once, and can be told not
// to.
type Spreading interface {
	// Spread has the server write out what it changes as it goes, until the transaction ends.
	Spread(t Tx) error
}

// Relaxing is a Dialect whose server can commit a transaction without waiting for the disk, in the order of all commits: any later
// one that does wait makes it durable as well. For what begins anew by itself where it left off, a step of a retry job.
type Relaxing interface {
	// Relax has the commit of the transaction not wait.
	Relax(t Tx) error
}

// relax is Relax where the dialect can, and nothing elsewhere.
func relax(dialect Dialect, t Tx) error {
	if relaxing, can := dialect.(Relaxing); can {
		return relaxing.Relax(t)
	}
	return nil
}

// Span is the dead letters of one topic between two ids, both included.
type Span struct {
	Topic       string
	First, Last int64
	// At is when it is moved, in microseconds.
	At int64
	// Mark begins the JSON of the messages' metadata: a brace and some members, before theirs.
	Mark string
}
