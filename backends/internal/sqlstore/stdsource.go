package sqlstore

import (
	"context"
	"database/sql"
)

// StdSource is a Source of database/sql.
type StdSource struct {
	// DB is the pool.
	DB *sql.DB
	// Words are the database's, and Explain turns its driver's errors into those of this package.
	Words   *Words
	Explain func(error) error
	// On, when not nil, stands between statements and the driver.
	On func(StdExecutor) StdExecutor
	// Own is whether Close closes the pool.
	Own bool
}

type stdTransaction struct {
	*Std
	tx *sql.Tx
}

var stdLevels = map[Isolation]*sql.TxOptions{
	ReadCommitted: {Isolation: sql.LevelReadCommitted},
	Consistent:    {Isolation: sql.LevelRepeatableRead, ReadOnly: true},
}

// Begin implements Source.
func (s *StdSource) Begin(ctx context.Context, level Isolation) (Transaction, error) {
	t, err := s.DB.BeginTx(ctx, stdLevels[level])
	if err != nil {
		return nil, s.Explain(err)
	}
	return &stdTransaction{s.Tx(ctx, t), t}, nil
}

// Direct implements Source.
func (s *StdSource) Direct(ctx context.Context) Tx { return s.Tx(ctx, s.DB) }

// Tx returns a Tx on a pool, a connection or a transaction.
func (s *StdSource) Tx(ctx context.Context, on StdExecutor) *Std {
	if s.On != nil {
		on = s.On(on)
	}
	return NewStd(ctx, on, s.Words, s.Explain)
}

// Limit implements Source.
func (s *StdSource) Limit() int { return s.DB.Stats().MaxOpenConnections }

// Close implements Source.
func (s *StdSource) Close() error {
	if s.Own {
		return s.DB.Close()
	}
	return nil
}

// Commit implements Transaction.
func (t *stdTransaction) Commit() error { return t.explain(t.tx.Commit()) }

// Rollback implements Transaction. A connection on which it fails is closed by database/sql or its driver.
func (t *stdTransaction) Rollback() { _ = t.tx.Rollback() }
