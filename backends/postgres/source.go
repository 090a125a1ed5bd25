package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// source is where connections come from: a pool of pgx or one of database/sql.
type source interface {
	sqlstore.Source
	// speak says how statements are worded. It is called before any of them runs.
	speak(words *sqlstore.Words)
	// connection takes a connection out of the pool until it is released.
	connection(ctx context.Context) (conn *pgx.Conn, release func(), err error)
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

var pgxLevels = map[sqlstore.Isolation]pgx.TxOptions{
	sqlstore.ReadCommitted: {IsoLevel: pgx.ReadCommitted},
	sqlstore.Consistent:    {IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly},
}

// Begin implements sqlstore.Source.
func (p *pool) Begin(ctx context.Context, level sqlstore.Isolation) (sqlstore.Transaction, error) {
	t, err := p.BeginTx(ctx, pgxLevels[level])
	if err != nil {
		return nil, explain(err)
	}
	return &pgxTransaction{tx{ctx, t, p.words}, t}, nil
}

// Direct implements sqlstore.Source.
func (p *pool) Direct(ctx context.Context) sqlstore.Tx { return &tx{ctx, p.Pool, p.words} }

func (p *pool) connection(ctx context.Context) (*pgx.Conn, func(), error) {
	c, err := p.Acquire(ctx)
	if err != nil {
		return nil, nil, explain(err)
	}
	return c.Conn(), c.Release, nil
}

// Limit implements sqlstore.Source.
func (p *pool) Limit() int { return int(p.Config().MaxConns) }

// Close implements sqlstore.Source.
func (p *pool) Close() error {
	if p.own {
		p.Pool.Close()
	}
	return nil
}

func (p *pool) speak(words *sqlstore.Words) { p.words = words }

// Exec implements sqlstore.Tx.
func (t *pgxTransaction) Exec(query string, args ...any) (int64, error) {
	return t.tx.Exec(query, args...)
}

// Query implements sqlstore.Tx.
func (t *pgxTransaction) Query(scan func(sqlstore.Scanner) error, query string, args ...any) error {
	return t.tx.Query(scan, query, args...)
}

// Commit implements sqlstore.Transaction.
func (t *pgxTransaction) Commit() error { return explain(t.Tx.Commit(t.ctx)) }

// Rollback implements sqlstore.Transaction. A connection on which it fails is closed by pgx.
func (t *pgxTransaction) Rollback() { _ = t.Tx.Rollback(context.WithoutCancel(t.ctx)) }

// stdDB is a source of database/sql, on pgx's driver.
type stdDB struct{ sqlstore.StdSource }

func newStdDB(db *sql.DB) *stdDB { return &stdDB{sqlstore.StdSource{DB: db, Explain: explain}} }

func (d *stdDB) speak(words *sqlstore.Words) { d.Words = words }

// lookTime bounds the look at a driver that is not pgx's own.
const lookTime = 5 * time.Second

// errForeignDriver is returned where a *sql.DB is not one of pgx.
var errForeignDriver = errors.New("the *sql.DB must be one of pgx: use sql.Open(\"pgx\", …) or stdlib.OpenDB, " +
	"or a driver around it whose connections hand out pgx's through Raw() driver.Conn")

// check refuses a pool of another driver. Of a driver around pgx's only a connection tells, so that a server which is away
// is not waited for: it could be for ever.
func (d *stdDB) check(ctx context.Context) error {
	of := d.DB.Driver()
	if _, ok := of.(*stdlib.Driver); ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	_, release, err := d.connection(ctx)
	switch {
	case err == nil:
		release()
		return nil
	case errors.Is(err, errForeignDriver):
		return err
	}
	return fmt.Errorf("%w; this is a %T, and there is no connection to look at: %w", errForeignDriver, of, err)
}

func (d *stdDB) connection(ctx context.Context) (*pgx.Conn, func(), error) {
	c, err := d.DB.Conn(ctx)
	if err != nil {
		return nil, nil, explain(err)
	}
	var conn *pgx.Conn
	err = c.Raw(func(driverConn any) (err error) {
		conn, err = pgxConn(driverConn)
		return err
	})
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return conn, func() { _ = c.Close() }, nil
}

// wrapper is a connection around another one, as libraries for telemetry make them.
type wrapper interface{ Raw() driver.Conn }

// pgxConn returns pgx's connection, whatever is around it. Arrays must get through to that as they are.
func pgxConn(outermost any) (*pgx.Conn, error) {
	if _, ok := outermost.(driver.NamedValueChecker); !ok {
		return nil, fmt.Errorf("%w; this is a %T, which takes no arrays", errForeignDriver, outermost)
	}
	for conn := outermost; ; {
		switch c := conn.(type) {
		case *stdlib.Conn:
			return c.Conn(), nil
		case wrapper:
			conn = c.Raw()
		default:
			return nil, fmt.Errorf("%w; this is a %T", errForeignDriver, outermost)
		}
	}
}
