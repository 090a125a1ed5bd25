package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// forgetLook is how many records one call of Forget looks at. They are found in the order of their key, which every database
// has anyway: an index by time would have every event pay for what concerns it once, a month later.
const forgetLook = 1000

const (
	longDone = `status IN ('processed', 'error', 'failed') AND callback <> 'pending'
			AND updated_at <= {now} - ? AND callback_updated_at <= {now} - ?`
	selectForgettable = `
		SELECT correlation_id, CASE WHEN ` + longDone + ` THEN 1 ELSE 0 END
		FROM {events} WHERE correlation_id > ? ORDER BY correlation_id LIMIT ?`
	// What was moved back meanwhile is no longer done, and what stands in a DLQ, also as erased or edited, belongs to its event.
	forgetEvents = `
		DELETE FROM {events} WHERE ` + longDone + `
			AND NOT EXISTS (SELECT 1 FROM {dead_letters} d WHERE d.correlation_id = {events}.correlation_id)
			AND correlation_id IN `
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
		list, ids := List(ids)
		err = s.db.Write(ctx, func(t Tx) error {
			removed, err := t.Exec(forgetEvents+list, append([]any{age, age}, ids...)...)
			forgotten = int(removed)
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
	}, selectForgettable, age, age, after, forgetLook)
	if looked == forgetLook {
		next = last
	}
	return next, ids, err
}
