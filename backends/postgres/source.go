package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// isolation is how a transaction sees others.
type isolation int

const (
	readCommitted isolation = iota
	consistent              // one view, and nothing is written
)

// source is where connections come from: a pool of pgx or one of database/sql.
type source interface {
	// begin starts a transaction. Nothing has happened when it fails.
	begin(ctx context.Context, level isolation) (transaction, error)
	// direct runs each statement for itself, on any connection.
	direct(ctx context.Context) sqlstore.Tx
	// connection takes a connection out of the pool until it is released.
	connection(ctx context.Context) (conn *pgx.Conn, release func(), err error)
	// limit is how many connections the pool may have; 0 for any number.
	limit() int
	close() error
}

// transaction is a sqlstore.Tx with its end.
type transaction interface {
	sqlstore.Tx
	commit() error
	rollback()
}

// pool is a source of pgx.
type pool struct {
	*pgxpool.Pool
	words *sqlstore.Words
	own   bool
}

type pgxTransaction struct {
	tx
	pgx.Tx
}

var pgxLevels = map[isolation]pgx.TxOptions{
	readCommitted: {IsoLevel: pgx.ReadCommitted},
	consistent:    {IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly},
}

func (p *pool) begin(ctx context.Context, level isolation) (transaction, error) {
	t, err := p.BeginTx(ctx, pgxLevels[level])
	if err != nil {
		return nil, explain(err)
	}
	return &pgxTransaction{tx{ctx, t, p.words}, t}, nil
}

func (p *pool) direct(ctx context.Context) sqlstore.Tx { return &tx{ctx, p.Pool, p.words} }

func (p *pool) connection(ctx context.Context) (*pgx.Conn, func(), error) {
	c, err := p.Acquire(ctx)
	if err != nil {
		return nil, nil, explain(err)
	}
	return c.Conn(), c.Release, nil
}

func (p *pool) limit() int { return int(p.Config().MaxConns) }

func (p *pool) close() error {
	if p.own {
		p.Close()
	}
	return nil
}

func (t *pgxTransaction) Exec(query string, args ...any) (int64, error) {
	return t.tx.Exec(query, args...)
}

func (t *pgxTransaction) Query(scan func(sqlstore.Scanner) error, query string, args ...any) error {
	return t.tx.Query(scan, query, args...)
}

func (t *pgxTransaction) commit() error { return explain(t.Commit(t.ctx)) }

// rollback gives the connection back. One that cannot be rolled back is closed by pgx.
func (t *pgxTransaction) rollback() { _ = t.Rollback(context.WithoutCancel(t.ctx)) }

// stdDB is a source of database/sql, on pgx's driver.
type stdDB struct {
	*sql.DB
	words *sqlstore.Words
}

type stdTransaction struct {
	*sqlstore.Std
	tx *sql.Tx
}

var stdLevels = map[isolation]*sql.TxOptions{
	readCommitted: {Isolation: sql.LevelReadCommitted},
	consistent:    {Isolation: sql.LevelRepeatableRead, ReadOnly: true},
}

func (d *stdDB) begin(ctx context.Context, level isolation) (transaction, error) {
	t, err := d.BeginTx(ctx, stdLevels[level])
	if err != nil {
		return nil, explain(err)
	}
	return &stdTransaction{sqlstore.NewStd(ctx, t, d.words, explain), t}, nil
}

func (d *stdDB) direct(ctx context.Context) sqlstore.Tx {
	return sqlstore.NewStd(ctx, d.DB, d.words, explain)
}

// errForeignDriver is returned where a *sql.DB is not one of pgx.
var errForeignDriver = errors.New("the *sql.DB must be one of pgx: use sql.Open(\"pgx\", …) or stdlib.OpenDB")

func (d *stdDB) connection(ctx context.Context) (*pgx.Conn, func(), error) {
	c, err := d.Conn(ctx)
	if err != nil {
		return nil, nil, explain(err)
	}
	var conn *pgx.Conn
	err = c.Raw(func(driverConn any) error {
		of, ok := driverConn.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("%w, not of %T", errForeignDriver, driverConn)
		}
		conn = of.Conn()
		return nil
	})
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return conn, func() { _ = c.Close() }, nil
}

func (d *stdDB) limit() int   { return d.Stats().MaxOpenConnections }
func (d *stdDB) close() error { return nil } // it is the host's

func (t *stdTransaction) commit() error { return explain(t.tx.Commit()) }
func (t *stdTransaction) rollback()     { _ = t.tx.Rollback() }
