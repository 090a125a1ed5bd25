package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Errors of databases.
var (
	// ErrDuplicate is what a Tx returns for a row whose key exists. In PostgreSQL the transaction is over then.
	ErrDuplicate = errors.New("a row with this key exists")
	// ErrUnavailable is returned when the database cannot be used at the moment, whatever was asked of it.
	ErrUnavailable = errors.New("the database cannot be used at the moment")
	// ErrBroken is an ErrUnavailable for a connection that broke off, rather than one that cannot be made: there may be
	// better ones in the pool.
	ErrBroken = fmt.Errorf("%w: the connection broke off", ErrUnavailable)
	// ErrLocked is an ErrUnavailable for what another transaction held for too long.
	ErrLocked = fmt.Errorf("%w: another transaction holds what this one waits for", ErrUnavailable)
	// ErrConflict is what a Tx returns when two transactions got into each other's way. It is over then, and the same again
	// may succeed.
	ErrConflict = errors.New("another transaction got into the way")
	// ErrNoTable is what a Tx returns for a table, schema or database that does not exist.
	ErrNoTable = errors.New("there is no such table")
)

// Database runs transactions. Work may run more than once, so it must not keep what it read outside of variables that
// it sets anew.
type Database interface {
	// Write runs work in a transaction and returns when it is durable. Where work fails, nothing is changed.
	Write(ctx context.Context, work func(Tx) error) error
	// Read runs work without changing anything. Each statement sees what is committed when it starts.
	Read(ctx context.Context, work func(Tx) error) error
	// View runs work on one consistent view, which may last long.
	View(ctx context.Context, work func(Tx) error) error
	// Ping returns nil while the database can be written.
	Ping(ctx context.Context) error
	// Close releases what was opened. It may be called twice.
	Close() error
}

// Tx is one transaction. Its statements hold the words of Words.
type Tx interface {
	// Exec runs a statement and returns how many rows it changed. MySQL does not count a row that had the new values
	// already.
	Exec(query string, args ...any) (int64, error)
	// Query runs a statement and calls scan for each of its rows.
	Query(scan func(Scanner) error, query string, args ...any) error
}

// Hooked is a Tx that tells of its end. Transactions of the host's do not.
type Hooked interface {
	Tx
	// OnCommit has f called once the transaction is known to be committed.
	OnCommit(f func())
}

// Scanner is one row of a result. A NULL may only be read into a pointer of a pointer, or into bytes.
type Scanner interface {
	Scan(dest ...any) error
}

// One reads the only row of a statement into dest. It returns sql.ErrNoRows when there is none.
func One(t Tx, dest []any, query string, args ...any) error {
	found := false
	err := t.Query(func(row Scanner) error {
		found = true
		return row.Scan(dest...)
	}, query, args...)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// Ints runs a statement that returns one column of integers.
func Ints(t Tx, query string, args ...any) (values []int64, err error) {
	err = t.Query(func(row Scanner) error {
		var v int64
		err := row.Scan(&v)
		values = append(values, v)
		return err
	}, query, args...)
	return values, err
}

// Micros and FromMicros are how times are stored: microseconds since 1970, 0 for the zero time. Unlike the databases'
// own types they know no time zones and no precision to choose.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// FromMicros is the reverse of Micros.
func FromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
