package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
)

// idBits is how many bits of a dead letter's id count within its DLQ. The bits above name the DLQ, so that the table
// itself is ordered by it and needs no index for it.
const idBits = 48

// maxDLQ is the largest id of a DLQ.
const maxDLQ = 1<<(63-idBits) - 1

// held is a DLQ whose row is locked until the transaction ends. It numbers the entries: whoever holds it commits before
// the next one gets a number, so that ids become visible in their order, and what was once read up to an id is complete.
type held struct {
	id   int64 // in the upper bits of its entries' ids
	last int64 // the number given out last
	now  int64 // the database's clock, never before that of an earlier entry: what came in later has no earlier time
}

// seen is what a DLQ's row said at one moment.
type seen struct {
	id           int64
	entries      int64
	exportedUpTo int64 // a full id
}

// dlqSpan is how far the ids of two DLQs are apart.
const dlqSpan int64 = 1 << idBits

// fullID is the id in the table of an entry that is known by its id within its DLQ.
func fullID(dlq, entry int64) int64 { return dlq*dlqSpan + max(0, min(entry, dlqSpan-1)) }

const (
	selectDLQ = `SELECT id, entries, exported_up_to FROM {dlqs} WHERE name = ?`
	lockDLQ   = `SELECT id, last_entry, last_at, {now} FROM {dlqs} WHERE name = ? {lock}`
	insertDLQ = `{insert new} INTO {dlqs} (name, last_entry) VALUES (?, 0) {if new}`
	moveDLQ   = `UPDATE {dlqs} SET last_entry = last_entry + ?, last_at = ?, entries = entries + ? WHERE id = ?`
)

// look returns a DLQ as it is; one that never held anything is empty.
func look(t Tx, name string) (d seen, err error) {
	err = One(t, []any{&d.id, &d.entries, &d.exportedUpTo}, selectDLQ, name)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return d, err
}

// hold locks the row of a DLQ, and makes it where there is none.
func hold(t Tx, name string) (d held, err error) {
	var lastAt int64
	defer func() { d.now = max(d.now, lastAt) }()
	dest := []any{&d.id, &d.last, &lastAt, &d.now}
	err = One(t, dest, lockDLQ, name)
	if !errors.Is(err, sql.ErrNoRows) {
		return d, err
	}
	if _, err := t.Exec(insertDLQ, name); err != nil {
		return d, err
	}
	if err = One(t, dest, lockDLQ, name); errors.Is(err, sql.ErrNoRows) { // a lax MySQL cut it
		err = fmt.Errorf("the name of the DLQ is too long: it has %d bytes", len(name))
	}
	if err != nil {
		return d, err
	}
	if d.id > maxDLQ {
		return d, fmt.Errorf("no room for the DLQ %q: the database holds %d others", name, d.id-1)
	}
	return d, nil
}

// count notes how many ids were given out, and how many entries there are more or less.
func (d held) count(t Tx, ids, entries int64) error {
	_, err := t.Exec(moveDLQ, ids, d.now, entries, d.id)
	return err
}
