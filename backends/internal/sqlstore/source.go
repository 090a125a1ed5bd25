package sqlstore

import "context"

// Isolation is how a transaction sees others.
type Isolation int

const (
	// ReadCommitted has each statement see what is committed when it starts.
	ReadCommitted Isolation = iota
	// Consistent is one view, and nothing is written.
	Consistent
)

// Source is where a Server gets connections from: a pool.
type Source interface {
	// Begin starts a transaction. Nothing has happened when it fails.
	Begin(ctx context.Context, level Isolation) (Transaction, error)
	// Direct runs each statement for itself, on any connection.
	Direct(ctx context.Context) Tx
	// Limit is how many connections the pool may have; 0 for any number.
	Limit() int
	// Close closes the pool, unless it is the host's.
	Close() error
}

// Transaction is a Tx with its end.
type Transaction interface {
	Tx
	// Commit makes it durable.
	Commit() error
	// Rollback undoes it, and does nothing after Commit.
	Rollback()
}
