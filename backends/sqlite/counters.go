package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// counter is a named row of topics or dlqs: it numbers what belongs to it and knows how many of those stand.
type counter struct {
	id   int64 // in the upper bits of what belongs to it
	last int64 // the number given out last
	held int64 // how many stand
}

// base is the id below which nothing of the counter lies, end the one from which on nothing does.
func (c counter) base() int64 { return c.id << idBits }
func (c counter) end() int64  { return (c.id + 1) << idBits }

const (
	selectTopic = `SELECT id, last_message, messages FROM topics WHERE name = ?`
	insertTopic = `INSERT INTO topics (name, last_message) VALUES (?, 0)`
	updateTopic = `UPDATE topics SET last_message = last_message + ?, messages = messages + ? WHERE id = ?`
	lessenTopic = `UPDATE topics SET messages = messages - ? WHERE id = ?`

	selectDLQ = `SELECT id, last_entry, entries FROM dlqs WHERE name = ?`
	insertDLQ = `INSERT INTO dlqs (name, last_entry) VALUES (?, 0)`
	updateDLQ = `UPDATE dlqs SET last_entry = last_entry + ?, entries = entries + ? WHERE id = ?`
	lessenDLQ = `UPDATE dlqs SET entries = entries - ? WHERE id = ?`
)

func (t *tx) topic(name string) (counter, error) { return t.counter(selectTopic, insertTopic, name) }
func (t *tx) dlq(name string) (counter, error)   { return t.counter(selectDLQ, insertDLQ, name) }

// counter returns the row of that name and makes it where there is none.
func (t *tx) counter(selectQuery, insertQuery, name string) (c counter, err error) {
	dest := []any{&c.id, &c.last, &c.held}
	err = t.one(dest, selectQuery, name)
	if !errors.Is(err, sql.ErrNoRows) {
		return c, err
	}
	if _, err := t.exec(insertQuery, name); err != nil {
		return c, err
	}
	if err := t.one(dest, selectQuery, name); err != nil {
		return c, err
	}
	if c.id >= 1<<(63-idBits) {
		return c, fmt.Errorf("no room for %q: the database holds %d others", name, c.id-1)
	}
	return c, nil
}

// look returns the row of that name within a reading transaction; a zero counter where there is none.
func look(ctx context.Context, t *sql.Tx, query, name string) (c counter, err error) {
	err = t.QueryRowContext(ctx, query, name).Scan(&c.id, &c.last, &c.held)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return c, err
}
