package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// indexesOnly has the planner read indexes in their order, for the rest of a transaction. What a server knows of a queue is of
// another time as a rule, and plans are kept: one that was made while a table was small would have every claim read and
// sort all that waits.
const indexesOnly = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
	set_config('enable_sort', 'off', true), set_config('jit', 'off', true)`

// inOrder runs a statement with indexesOnly, in a transaction of its own, in one round trip.
func inOrder(ctx context.Context, conn *pgx.Conn, scan func(sqlstore.Scanner) error, query string, args ...any) error {
	batch := &pgx.Batch{}
	batch.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	batch.Queue(indexesOnly)
	batch.Queue(query, args...)
	batch.Queue("COMMIT")
	if err := readBatch(conn.SendBatch(ctx, batch), scan); err != nil {
		// The transaction may be open: the pool makes another connection.
		return errors.Join(explain(err), conn.Close(context.WithoutCancel(ctx)))
	}
	return nil
}

func readBatch(results pgx.BatchResults, scan func(sqlstore.Scanner) error) (err error) {
	defer func() { err = errors.Join(err, results.Close()) }()
	for range 2 {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := scan(rows); err != nil {
			rows.Close()
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	_, err = results.Exec()
	return err
}
