package sqlite

import (
	"encoding/json"
	"fmt"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// words are SQLite's. A transaction that writes is alone, so rows need no lock.
var words = &sqlstore.Words{
	Now: "redrive_now()",
	Hints: map[string]string{
		"by event": "INDEXED BY dead_letters_event", "by cause": "INDEXED BY dead_letters_cause", "by moves": "INDEXED BY dead_letters_cause",
	},
	InsertNew: "INSERT",
	IfNew:     "ON CONFLICT DO NOTHING",
}

// tx is the present transaction on the writing connection. Its statements run without the caller's context: the
// transaction is shared, and one caller that goes away must not break it for the others.
type tx struct{ db *database }

// Exec implements sqlstore.Tx.
func (t *tx) Exec(query string, args ...any) (int64, error) { return t.db.writer.exec(query, args) }

// Query implements sqlstore.Tx.
func (t *tx) Query(scan func(sqlstore.Scanner) error, query string, args ...any) error {
	return t.db.writer.query(scan, query, args)
}

// rollback undoes the transaction. SQLite may have done so by itself, as it does when the disk is full.
func (t *tx) rollback() error {
	_, err := t.Exec("ROLLBACK")
	if errorCode(err) == sqlite3.SQLITE_ERROR { // "no transaction is active"
		return nil
	}
	return err
}

// safely turns a panic into an error, so that it cannot leave the shared transaction open.
func (t *tx) safely(work func(sqlstore.Tx) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("sqlite: panic: %v", v)
		}
	}()
	return work(t)
}

// jsonList encodes a list of ids as a parameter for json_each.
func jsonList[T any](values []T) string {
	b, err := json.Marshal(values)
	if err != nil { // what is used here always encodes
		panic(err)
	}
	return string(b)
}
