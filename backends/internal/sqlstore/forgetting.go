package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// forgetLook is how many records one call of Forget looks at. They are found in the order of their key, which every database
// has anyway: an index by time would have every event pay for what concerns it once, a month later. MariaDB makes a table of a list
// of a thousand values, and joins it as it likes.
const forgetLook = 500

const longDone = `status IN ('processed', 'error', 'failed') AND callback <> 'pending'
			AND updated_at <= {now} - ? AND callback_updated_at <= {now} - ?`

// The statements of Forget, each but the first with a list of keys in it. One that did all of it would be planned worse, and lock
// what it reads in vain. Tests of backends look at their plans.
const (
	// SelectForgettable has the age twice, the last key of the look before and how many to look at.
	SelectForgettable = `
		SELECT correlation_id, CASE WHEN ` + longDone + ` THEN 1 ELSE 0 END
		FROM {events} WHERE correlation_id > ? ORDER BY correlation_id LIMIT ?`
	// LockForgettable has the age twice: what was moved back meanwhile is no longer done.
	LockForgettable = `SELECT correlation_id FROM {events} {by key} WHERE ` + longDone + ` AND correlation_id IN %s
		ORDER BY correlation_id {lock}`
	// SelectBuried finds which of them stand in a DLQ, also as erased or edited: those keep their status.
	SelectBuried = `SELECT correlation_id FROM {dead_letters} {by event} WHERE correlation_id IN %s`
	// ForgetEvents removes the others, in databases that find them by the list.
	ForgetEvents = `DELETE FROM {events} WHERE correlation_id IN %s`
)

// Forget implements asyncevents.Store. It looks without a lock, and then removes what it found, if it still holds.
func (s *Events) Forget(ctx context.Context, kept time.Duration, after string) (next string, forgotten int, err error) {
	var ids []any
	age := kept.Microseconds()
	err = s.db.Read(ctx, func(t Tx) (err error) {
		next, ids, err = forgettable(t, age, after)
		return err
	})
	if err == nil && len(ids) > 0 {
		err = s.db.Write(ctx, func(t Tx) (err error) {
			forgotten, err = s.forget(t, age, ids)
			return err
		})
	}
	if err != nil {
		return "", 0, fmt.Errorf("%s: forget events: %w", s.dialect.Name(), err)
	}
	return next, forgotten, nil
}

// forgettable returns those of the next records that may be done for so long, and where to go on.
func forgettable(t Tx, age int64, after string) (next string, ids []any, err error) {
	looked, last := 0, ""
	err = t.Query(func(row Scanner) error {
		var old int64
		if err := row.Scan(&last, &old); err != nil {
			return err
		}
		if looked++; old == 1 {
			ids = append(ids, last)
		}
		return nil
	}, SelectForgettable, age, age, after, forgetLook)
	if looked == forgetLook {
		next = last
	}
	return next, ids, err
}

// forget removes those of the records that are still done, and have no dead letter.
func (s *Events) forget(t Tx, age int64, ids []any) (forgotten int, err error) {
	list, keys := List(slices.Clone(ids))
	done, err := keysOf(t, fmt.Sprintf(LockForgettable, list), append([]any{age, age}, keys...))
	if err != nil || len(done) == 0 {
		return 0, err
	}
	list, keys = List(slices.Clone(done))
	buried, err := keysOf(t, fmt.Sprintf(SelectBuried, list), keys)
	if err != nil {
		return 0, err
	}
	done = slices.DeleteFunc(done, func(id any) bool { return slices.Contains(buried, id) })
	if len(done) == 0 {
		return 0, nil
	}
	removed, err := s.dialect.DeleteEvents(t, done)
	return int(removed), err
}

// DeleteEvents is Dialect's, in databases that find rows by a list.
func DeleteEvents(t Tx, ids []any) (removed int64, err error) {
	list, keys := List(ids)
	return t.Exec(fmt.Sprintf(ForgetEvents, list), keys...)
}

// keysOf runs a statement that returns correlation ids.
func keysOf(t Tx, query string, args []any) (ids []any, err error) {
	err = t.Query(func(row Scanner) error {
		var id string
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	}, query, args...)
	return ids, err
}
