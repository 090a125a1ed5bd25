package sqlstore

import (
	"context"
	"database/sql"
)

// Std implements Tx on a transaction or connection of database/sql.
type Std struct {
	ctx     context.Context
	on      StdExecutor
	words   *Words
	explain func(error) error
}

// StdExecutor is what *sql.Tx, *sql.Conn and *sql.DB have in common.
type StdExecutor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// NewStd returns a Tx whose statements end with ctx. explain turns a driver's errors into those of this package.
func NewStd(ctx context.Context, on StdExecutor, words *Words, explain func(error) error) *Std {
	return &Std{ctx, on, words, explain}
}

// Exec implements Tx.
func (s *Std) Exec(query string, args ...any) (int64, error) {
	result, err := s.on.ExecContext(s.ctx, s.words.Of(query), args...)
	if err != nil {
		return 0, s.explain(err)
	}
	return result.RowsAffected()
}

// Query implements Tx.
func (s *Std) Query(scan func(Scanner) error, query string, args ...any) error {
	rows, err := s.on.QueryContext(s.ctx, s.words.Of(query), args...)
	if err != nil {
		return s.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return s.explain(rows.Err())
}
