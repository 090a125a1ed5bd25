package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// executor is what pgx.Tx, *pgx.Conn and *pgxpool.Pool have in common.
type executor interface {
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

// tx implements sqlstore.Tx on pgx itself.
type tx struct {
	ctx   context.Context
	on    executor
	words *sqlstore.Words
}

// Exec implements sqlstore.Tx.
func (t *tx) Exec(query string, args ...any) (int64, error) {
	tag, err := t.on.Exec(t.ctx, t.words.Of(query), args...)
	return tag.RowsAffected(), explain(err)
}

// Query implements sqlstore.Tx.
func (t *tx) Query(scan func(sqlstore.Scanner) error, query string, args ...any) error {
	rows, err := t.on.Query(t.ctx, t.words.Of(query), args...)
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return explain(rows.Err()) // a failure of the server looks like the end of the rows until here
}

// newWords returns the words of PostgreSQL for tables of these names. The clock is a subquery, so that it is looked at
// once a statement, and the same for all rows.
func newWords(n sqlstore.Names) *sqlstore.Words {
	return &sqlstore.Words{
		Table: n.Table,
		Now:   "(SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint)",
		Lock:  "FOR UPDATE",
		// Only the index has rows in the order of two columns. Of one value the planner knows that all are equal, and may
		// prefer to read the whole DLQ.
		Hints: map[string]string{
			"of event": "(correlation_id, id) > (?, ?) AND (correlation_id, id) <= (?, ?)",
			"of cause": "(signature, id) > (?, ?) AND (signature, id) <= (?, ?)",
		},
		InsertNew: "INSERT",
		IfNew:     "ON CONFLICT DO NOTHING",
		Numbered:  true,
	}
}

// explain gives those errors the names of sqlstore that its callers tell apart.
func explain(err error) error {
	var kind error
	var e *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case isDead(err):
		kind = sqlstore.ErrBroken
	case errors.As(err, &e) && e.Code == "55P03": // lock_not_available
		kind = sqlstore.ErrLocked
	case e == nil, isTransient(e.Code): // the former is no answer of the server
		kind = sqlstore.ErrUnavailable
	case e.Code == "23505": // unique_violation
		kind = sqlstore.ErrDuplicate
	case e.Code == "40001", e.Code == "40P01": // serialization_failure, deadlock_detected
		kind = sqlstore.ErrConflict
	case e.Code == "42P01", e.Code == "3F000": // undefined_table, invalid_schema_name
		kind = sqlstore.ErrNoTable
	default:
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// isTransient is whether a code says that the server, rather than the statement, is at fault. See
// https://www.postgresql.org/docs/current/errcodes-appendix.html.
func isTransient(code string) bool {
	for _, prefix := range []string{
		"08",    // connection exception
		"25006", // read-only, as a standby is
		"53",    // out of disk, memory or connections
		"57014", // the statement took too long
		"57P",   // shutdown, crash, starting up
		"58",    // the server's files
	} {
		if strings.HasPrefix(code, prefix) {
			return true
		}
	}
	return false
}

// isDead is whether err says that a connection broke off, rather than that none can be made: there may be better ones
// in the pool.
func isDead(err error) bool {
	var refused *pgconn.ConnectError
	var e *pgconn.PgError
	switch {
	case errors.As(err, &refused), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &e):
		return e.Code == "57P01" || e.Code == "57P02" // the server ended the connection
	}
	var network net.Error
	return pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}
