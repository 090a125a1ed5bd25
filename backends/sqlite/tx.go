package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

// tx is the present transaction on the writing connection. Its statements run without the caller's context: the
// transaction is shared, and one caller that goes away must not break it for the others.
type tx struct{ db *database }

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(query string, args ...any) (int64, error) { return t.db.writer.exec(query, args) }

// query runs a statement and calls scan for each of its rows.
func (t *tx) query(scan func(scanner) error, query string, args ...any) error {
	return t.db.writer.query(scan, query, args)
}

// one runs a statement of one row at most and reads it into dest. It returns sql.ErrNoRows when there is none.
func (t *tx) one(dest []any, query string, args ...any) error {
	found := false
	err := t.query(func(row scanner) error {
		found = true
		return row.Scan(dest...)
	}, query, args...)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// ints runs a statement that returns one column of integers.
func (t *tx) ints(query string, args ...any) (values []int64, err error) {
	err = t.query(func(row scanner) error {
		var v int64
		err := row.Scan(&v)
		values = append(values, v)
		return err
	}, query, args...)
	return values, err
}

// rollback undoes the transaction. SQLite may have done so by itself, as it does when the disk is full.
func (t *tx) rollback() error {
	_, err := t.exec("ROLLBACK")
	if errorCode(err) == sqlite3.SQLITE_ERROR { // "no transaction is active"
		return nil
	}
	return err
}

// safely turns a panic into an error, so that it cannot leave the shared transaction open.
func (t *tx) safely(work func(*tx) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("sqlite: panic: %v", v)
		}
	}()
	return work(t)
}

// eachRow calls scan for each row that a reading connection returned, and closes them.
func eachRow(rows *sql.Rows, scan func(scanner) error) error {
	for rows.Next() {
		if err := scan(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// jsonList encodes a list of ids as a parameter for json_each.
func jsonList[T int64 | string](values []T) string {
	b, err := json.Marshal(values)
	if err != nil { // integers and strings always encode
		panic(err)
	}
	return string(b)
}

// micros and fromMicros are how times are stored: microseconds since 1970, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
