package postgres

import (
	"fmt"
	"strings"
	"sync"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

const (
	insertMessages = `
		INSERT INTO {messages} (topic, uuid, metadata, history, redrives, payload)
		SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::bigint[], ?::bytea[])`
	insertDelayed = `
		INSERT INTO {messages} (topic, uuid, metadata, history, redrives, payload, delayed, due)
		SELECT u.topic, u.uuid, u.metadata, u.history, u.redrives, u.payload,
			u.wait > 0, CASE WHEN u.wait > 0 THEN {now} + u.wait ELSE 0 END
		FROM unnest(?::text[], ?::text[], ?::text[], ?::text[], ?::bigint[], ?::bytea[], ?::bigint[])
			AS u (topic, uuid, metadata, history, redrives, payload, wait)`
	// An event and its callback may be settled at once, and moved back. All of these lock the rows of events in one order.
	//
	// An empty status is one that is to be tried again after wait, an empty callback leaves it as it is.
	recordEvents = `
		UPDATE {events} e SET
			status = CASE u.status WHEN '' THEN e.status ELSE u.status END,
			response = CASE u.status WHEN '' THEN e.response ELSE u.response END,
			attempts = u.attempts, history = coalesce(nullif(u.history, ''), e.history), updated_at = {now},
			next_attempt_at = CASE u.status WHEN '' THEN {now} + u.wait ELSE 0 END,
			callback = CASE u.callback WHEN '' THEN e.callback ELSE u.callback END,
			callback_updated_at = CASE u.callback WHEN '' THEN e.callback_updated_at ELSE {now} END
		FROM (
			SELECT * FROM unnest(?::text[], ?::text[], ?::bytea[], ?::bigint[], ?::text[], ?::bigint[], ?::text[])
				AS u (id, status, response, attempts, history, wait, callback) ORDER BY id COLLATE "C"
		) u
		WHERE e.correlation_id = u.id AND (u.status <> '' OR e.attempts <= u.attempts)`
	recordCallbacks = `
		UPDATE {events} e SET
			callback = CASE u.callback WHEN '' THEN e.callback ELSE u.callback END,
			callback_attempts = u.attempts, callback_history = coalesce(nullif(u.history, ''), e.callback_history),
			callback_updated_at = {now},
			callback_next_at = CASE u.callback WHEN '' THEN {now} + u.wait ELSE 0 END
		FROM (
			SELECT * FROM unnest(?::text[], ?::text[], ?::bigint[], ?::text[], ?::bigint[])
				AS u (id, callback, attempts, history, wait) ORDER BY id COLLATE "C"
		) u
		WHERE e.correlation_id = u.id AND (u.callback <> '' OR e.callback_attempts <= u.attempts)`

	// What a redrive moves is one topic's entries between two ids. Their payloads do not leave the server.
	moveEntries = `
		WITH moved AS (
			DELETE FROM {dead_letters} WHERE id >= ? AND id <= ? AND topic = ?
			RETURNING message_id, correlation_id, metadata, history, redrives, payload
		), sent AS (
			INSERT INTO {messages} (topic, uuid, metadata, history, redrives, payload)
			SELECT ?::text, message_id,
				CASE WHEN octet_length(metadata) = 2 THEN ?::text || '}' ELSE ?::text || ',' || substr(metadata, 2) END,
				history, redrives + 1, payload FROM moved
		)`
	moveBack   = moveEntries + ` SELECT count(*) FROM moved`
	moveEvents = moveEntries + `, told AS (
			UPDATE {events} e SET status = 'retried', next_attempt_at = 0, updated_at = {now}, redriven_at = ?
			FROM (SELECT correlation_id FROM moved ORDER BY correlation_id COLLATE "C") u
			WHERE e.correlation_id = u.correlation_id
		) SELECT count(*) FROM moved`
	moveCallbacks = moveEntries + `, told AS (
			UPDATE {events} e SET callback = 'pending', callback_next_at = 0, callback_updated_at = {now}, callback_redriven_at = ?
			FROM (SELECT correlation_id FROM moved ORDER BY correlation_id COLLATE "C") u
			WHERE e.correlation_id = u.correlation_id
		) SELECT count(*) FROM moved`
)

// dialect implements sqlstore.Dialect.
type dialect struct {
	db      *sqlstore.Server
	from    source
	words   *sqlstore.Words
	inserts sync.Map
	claims  openClaims

	mu     sync.Mutex
	trails map[string]*trail // of each topic
}

func newDialect(db *sqlstore.Server, from source, words *sqlstore.Words) *dialect {
	return &dialect{db: db, from: from, words: words, trails: map[string]*trail{}}
}

// Name implements sqlstore.Dialect.
func (d *dialect) Name() string { return name }

// Insert implements sqlstore.Dialect: one array a column, so that any number of rows is the same statement.
func (d *dialect) Insert(t sqlstore.Tx, table string, columns []string, args []any) (int64, error) {
	arrays := make([]any, len(columns))
	for c := range columns {
		array, err := column(args[c:], len(columns))
		if err != nil {
			return 0, fmt.Errorf("column %s of %s: %w", columns[c], table, err)
		}
		arrays[c] = array
	}
	return t.Exec(d.insertInto(table, columns, arrays), arrays...)
}

// column collects every width-th value.
func column(values []any, width int) (any, error) {
	switch values[0].(type) {
	case string:
		return every[string](values, width)
	case int64:
		return every[int64](values, width)
	default:
		return every[[]byte](values, width)
	}
}

func every[T any](values []any, width int) ([]T, error) {
	list := make([]T, 0, len(values)/width+1)
	for i := 0; i < len(values); i += width {
		value, ok := values[i].(T)
		if !ok {
			return nil, fmt.Errorf("a %T among values of another type", values[i])
		}
		list = append(list, value)
	}
	return list, nil
}

// insertInto returns the statement that inserts arrays into a table.
func (d *dialect) insertInto(table string, columns []string, arrays []any) string {
	if known, ok := d.inserts.Load(table); ok {
		return known.(string)
	}
	types := make([]string, len(arrays))
	for i, array := range arrays {
		switch array.(type) {
		case []string:
			types[i] = "?::text[]"
		case []int64:
			types[i] = "?::bigint[]"
		default:
			types[i] = "?::bytea[]"
		}
	}
	made := "INSERT INTO {" + table + "} (" + strings.Join(columns, ", ") + ") SELECT * FROM unnest(" +
		strings.Join(types, ", ") + ") ON CONFLICT DO NOTHING"
	d.inserts.Store(table, made)
	return made
}

// RecordEvents implements sqlstore.Dialect.
func (d *dialect) RecordEvents(t sqlstore.Tx, outcomes []*asyncevents.Settlement) error {
	n := len(outcomes)
	ids, statuses, callbacks, histories := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	responses, attempts, waits := make(byteArrays, n), make([]int64, n), make([]int64, n)
	for i, s := range outcomes {
		ids[i], attempts[i], histories[i] = s.CorrelationID, int64(s.Attempts), s.History.String()
		if s.Again != nil {
			waits[i] = s.Again.After.Microseconds()
			continue
		}
		statuses[i], callbacks[i], responses[i] = string(s.Status), string(s.Callback), s.Response
	}
	_, err := t.Exec(recordEvents, ids, statuses, responses, attempts, histories, waits, callbacks)
	return err
}

// RecordCallbacks implements sqlstore.Dialect.
func (d *dialect) RecordCallbacks(t sqlstore.Tx, outcomes []*asyncevents.Settlement) error {
	n := len(outcomes)
	ids, callbacks, histories := make([]string, n), make([]string, n), make([]string, n)
	attempts, waits := make([]int64, n), make([]int64, n)
	for i, s := range outcomes {
		ids[i], attempts[i], histories[i] = s.CorrelationID, int64(s.Attempts), s.History.String()
		if s.Again != nil {
			waits[i] = s.Again.After.Microseconds()
			continue
		}
		callbacks[i] = string(s.Callback)
	}
	_, err := t.Exec(recordCallbacks, ids, callbacks, attempts, histories, waits)
	return err
}

// DeleteEvents implements sqlstore.Dialect.
func (*dialect) DeleteEvents(t sqlstore.Tx, ids []any) (removed int64, err error) {
	return sqlstore.DeleteEvents(t, ids)
}

// Step implements sqlstore.Dialect. Nobody but another redrive or a dead letter waits for its locks, and a transaction has a dozen
// statements, however many entries there are.
func (*dialect) Step() int { return 1000 }

// MoveBack implements sqlstore.Dialect.
func (d *dialect) MoveBack(t sqlstore.Tx, dlq string, s sqlstore.Span) (moved int64, err error) {
	statement, args := moveBack, []any{s.First, s.Last, s.Topic, s.Topic, s.Mark, s.Mark}
	switch dlq {
	case asyncevents.EventsQueue:
		statement, args = moveEvents, append(args, s.At)
	case asyncevents.CallbacksQueue:
		statement, args = moveCallbacks, append(args, s.At)
	}
	err = sqlstore.One(t, []any{&moved}, statement, args...)
	return moved, err
}
