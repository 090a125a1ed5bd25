package sqlite

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// topic is a row of topics: it numbers messages and knows how many of them stand.
type topic struct {
	id   int64 // in the upper bits of its messages' ids
	last int64 // the number given out last
}

// base is the id below which nothing of the topic lies, end the one from which on nothing does.
func (t topic) base() int64 { return t.id << idBits }
func (t topic) end() int64  { return (t.id + 1) << idBits }

const (
	selectTopic = `SELECT id, last_message FROM topics WHERE name = ?`
	insertTopic = `INSERT INTO topics (name, last_message) VALUES (?, 0)`
	updateTopic = `UPDATE topics SET last_message = last_message + ?, messages = messages + ? WHERE id = ?`
	lessenTopic = `UPDATE topics SET messages = messages - ? WHERE id = ?`
)

// topicOf returns the topic of that name and makes it where there is none.
func topicOf(tx sqlstore.Tx, name string) (t topic, err error) {
	dest := []any{&t.id, &t.last}
	err = sqlstore.One(tx, dest, selectTopic, name)
	if !errors.Is(err, sql.ErrNoRows) {
		return t, err
	}
	if _, err := tx.Exec(insertTopic, name); err != nil {
		return t, err
	}
	if err := sqlstore.One(tx, dest, selectTopic, name); err != nil {
		return t, err
	}
	if t.id >= 1<<(63-idBits) {
		return t, fmt.Errorf("no room for %q: the database holds %d others", name, t.id-1)
	}
	return t, nil
}
