package mysql

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

const (
	// What a redrive moves is one topic's entries between two ids. Their payloads do not leave the server.
	sendEntries = `
		INSERT INTO {messages} (topic, uuid, metadata, history, redrives, payload, due)
		SELECT topic, message_id,
			CASE WHEN length(metadata) = 2 THEN CONCAT(?, '}') ELSE CONCAT(?, ',', SUBSTRING(metadata, 2)) END,
			history, redrives + 1, payload, {now}
		FROM {dead_letters} FORCE INDEX (PRIMARY) WHERE id >= ? AND id <= ? AND topic = ? ORDER BY id`
	selectSent = `
		SELECT correlation_id FROM {dead_letters} FORCE INDEX (PRIMARY) WHERE id >= ? AND id <= ? AND topic = ?
		ORDER BY correlation_id`
	tellEvents = `
		UPDATE {events} FORCE INDEX (PRIMARY) SET status = 'retried', next_attempt_at = 0, updated_at = {now}, redriven_at = ?
		WHERE correlation_id IN %s`
	tellCallbacks = `
		UPDATE {events} FORCE INDEX (PRIMARY)
		SET callback = 'pending', callback_next_at = 0, callback_updated_at = {now}, callback_redriven_at = ?
		WHERE correlation_id IN %s`
	deleteSent = `DELETE FROM {dead_letters} WHERE id >= ? AND id <= ? AND topic = ?`

	// As with messages: only a join can be kept from looking through a small table.
	forgetEvents = `
		DELETE e FROM (%s) gone STRAIGHT_JOIN {events} e FORCE INDEX (PRIMARY) ON e.correlation_id = gone.id`
	goneEvent = `SELECT CAST(? AS BINARY) AS id`

	lockEvents = `
		SELECT correlation_id FROM {events} FORCE INDEX (PRIMARY)
		WHERE correlation_id IN %s ORDER BY correlation_id FOR UPDATE`
)

var (
	// Many rows are updated by inserting them anew. That they exist is known, and that they stay: they are locked.
	//
	// An empty status is one that is to be tried again after next_attempt_at, an empty callback leaves it as it is. No column
	// is read after it was set: servers do not agree on what is read then.
	recordEvents = rows{
		columns: []string{"correlation_id", "status", "response", "attempts", "history", "next_attempt_at", "callback"},
		into: `INSERT INTO {events}
			(correlation_id, status, response, attempts, history, next_attempt_at, callback, body_hash, created_at, updated_at) VALUES `,
		each: `(?, ?, ?, ?, ?, ?, ?, '', 0, {now})`,
		end: ` ON DUPLICATE KEY UPDATE
			history = IF(VALUES(history) = '' OR VALUES(status) = '' AND attempts > VALUES(attempts), history, VALUES(history)),
			next_attempt_at = IF(VALUES(status) <> '', 0,
				IF(attempts > VALUES(attempts), next_attempt_at, VALUES(updated_at) + VALUES(next_attempt_at))),
			status = IF(VALUES(status) = '', status, VALUES(status)),
			response = IF(VALUES(status) = '', response, VALUES(response)),
			attempts = IF(VALUES(status) = '', GREATEST(attempts, VALUES(attempts)), VALUES(attempts)), updated_at = VALUES(updated_at),
			callback = IF(VALUES(callback) = '', callback, VALUES(callback)),
			callback_updated_at = IF(VALUES(callback) = '', callback_updated_at, VALUES(updated_at))`,
	}
	recordCallbacks = rows{
		columns: []string{"correlation_id", "callback", "callback_attempts", "callback_history", "callback_next_at"},
		into: `INSERT INTO {events}
			(correlation_id, callback, callback_attempts, callback_history, callback_next_at, status, body_hash, created_at, updated_at) VALUES `,
		each: `(?, ?, ?, ?, ?, '', '', 0, {now})`,
		end: ` ON DUPLICATE KEY UPDATE
			callback_history = IF(VALUES(callback_history) = '' OR VALUES(callback) = '' AND callback_attempts > VALUES(callback_attempts),
				callback_history, VALUES(callback_history)),
			callback_next_at = IF(VALUES(callback) <> '', 0,
				IF(callback_attempts > VALUES(callback_attempts), callback_next_at, VALUES(updated_at) + VALUES(callback_next_at))),
			callback = IF(VALUES(callback) = '', callback, VALUES(callback)),
			callback_attempts = IF(VALUES(callback) = '', GREATEST(callback_attempts, VALUES(callback_attempts)), VALUES(callback_attempts)),
			callback_updated_at = VALUES(updated_at)`,
	}
)

// dialect implements sqlstore.Dialect.
type dialect struct {
	db      *sqlstore.Server
	session atomic.Pointer[session]
}

// Name implements sqlstore.Dialect.
func (d *dialect) Name() string { return name }

// Insert implements sqlstore.Dialect. What IGNORE would cut was refused before, and it counts the same on every connection,
// unlike ON DUPLICATE KEY UPDATE.
func (d *dialect) Insert(t sqlstore.Tx, table string, columns []string, args []any) (int64, error) {
	return d.exec(t, rows{
		into: into("INSERT IGNORE", table, columns), each: places(len(columns)), columns: columns,
	}, args)
}

// RecordEvents implements sqlstore.Dialect.
func (d *dialect) RecordEvents(t sqlstore.Tx, outcomes []*asyncevents.Settlement) error {
	return d.record(t, recordEvents, outcomes, func(s *asyncevents.Settlement) []any {
		if s.Again != nil {
			return []any{s.CorrelationID, "", []byte(nil), s.Attempts, s.History.String(), s.Again.After.Microseconds(), ""}
		}
		return []any{s.CorrelationID, string(s.Status), []byte(s.Response), s.Attempts, s.History.String(), 0, string(s.Callback)}
	})
}

// RecordCallbacks implements sqlstore.Dialect.
func (d *dialect) RecordCallbacks(t sqlstore.Tx, outcomes []*asyncevents.Settlement) error {
	return d.record(t, recordCallbacks, outcomes, func(s *asyncevents.Settlement) []any {
		if s.Again != nil {
			return []any{s.CorrelationID, "", s.Attempts, s.History.String(), s.Again.After.Microseconds()}
		}
		return []any{s.CorrelationID, string(s.Callback), s.Attempts, s.History.String(), 0}
	})
}

// record writes outcomes into the rows of those events that have one, which are locked in the order of their ids.
func (d *dialect) record(
	t sqlstore.Tx, r rows, outcomes []*asyncevents.Settlement, row func(*asyncevents.Settlement) []any,
) error {
	ids := make([]any, len(outcomes))
	for i, s := range outcomes {
		ids[i] = s.CorrelationID
	}
	recorded := make(map[string]struct{}, len(outcomes))
	err := query(t, lockEvents, ids, func(row sqlstore.Scanner) error {
		var id string
		err := row.Scan(&id)
		recorded[id] = struct{}{}
		return err
	})
	if err != nil {
		return err
	}
	args := make([]any, 0, len(r.columns)*len(outcomes))
	for _, s := range outcomes {
		if _, ok := recorded[s.CorrelationID]; ok {
			args = append(args, row(s)...)
		}
	}
	_, err = d.exec(t, r, args)
	return err
}

// Step implements sqlstore.Dialect. Its locks are of ranges, and a claim may wait for them.
func (*dialect) Step() int { return 250 }

// MoveBack implements sqlstore.Dialect. Whoever changes a DLQ has locked its row, so all statements find the same entries.
func (d *dialect) MoveBack(t sqlstore.Tx, dlq string, s sqlstore.Span) (moved int64, err error) {
	switch dlq {
	case asyncevents.EventsQueue:
		err = tell(t, tellEvents, s)
	case asyncevents.CallbacksQueue:
		err = tell(t, tellCallbacks, s)
	}
	if err != nil {
		return 0, err
	}
	if _, err := t.Exec(sendEntries, s.Mark, s.Mark, s.First, s.Last, s.Topic); err != nil {
		return 0, err
	}
	return t.Exec(deleteSent, s.First, s.Last, s.Topic)
}

// DeleteEvents implements sqlstore.Dialect.
func (*dialect) DeleteEvents(t sqlstore.Tx, ids []any) (removed int64, err error) {
	return t.Exec(forgetOf(len(ids)), ids...)
}

// forgetOf is the statement that removes so many events.
func forgetOf(n int) string {
	return fmt.Sprintf(forgetEvents, goneEvent+strings.Repeat(" UNION ALL "+goneEvent, n-1))
}

// tell runs a statement on the events of a span, in the order of their ids as all others do.
func tell(t sqlstore.Tx, statement string, s sqlstore.Span) error {
	var ids []any
	err := t.Query(func(row sqlstore.Scanner) error {
		var id string
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	}, selectSent, s.First, s.Last, s.Topic)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(ids, maxRows) {
		if err := exec(t, statement, some, s.At); err != nil {
			return err
		}
	}
	return nil
}
